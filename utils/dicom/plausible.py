"""Whether values and lengths can be those of a body, and which header value is suspect if not.

A note that holds "suspect: Keyword" doubts a value of the header: notebook 02 calls no such case
aligned before `confirmed.txt` of its data set names the case and the keyword.
"""

import numpy as np

# A slice is judged on so many rows and columns, evenly spread; smaller than 16: not at all
FEW = 32
AIR_HU, BODY_HU, SOFT_HU, BIN_HU = -200, -500, (-200, 300), 20
NARROWEST, WIDEST = 60, 800  # mm: a body in a picture
SPACING_RATIO = 1.5  # between the slices' distance and what SpacingBetweenSlices says of it
THICKEST = 7  # times their distance: slices that overlap have less
NEAREST, FARTHEST = 0.09, 25  # mm between slices
LONGEST_SIDE = 1.1  # of a pixel, in its other side
MATRICES = (256, 512, 768, 1024)  # of which a picture may have been cut
FIELD = (0.5, 1.5)  # of ReconstructionDiameter, where a picture was padded or cut and resampled


def doubts(volume, frames, step):
    """Notes on what no body has; step : mm from slice to slice of the files, None of one slice."""
    hu, first = volume.on_stored_grid(volume.hu), frames[0]
    if min(hu.shape[1:]) < 16:
        return []
    strides = [max(1, side // FEW) for side in hu.shape[1:]]
    few = np.ascontiguousarray(hu[:, :: strides[0], :: strides[1]])
    widths = [stride * side for stride, side in zip(strides, first.pixel_spacing, strict=True)]
    parts = {}  # by rescale: that of a single slice may be wrong
    for k, frame in enumerate(frames):
        parts.setdefault((frame.slope, frame.intercept), []).append(k)
    found = (_hounsfield(few[part], frames[part[0]]) for part in parts.values())
    said = [next(filter(None, found), None), _pixels(few > BODY_HU, widths, first)]
    said += [_slices(abs(step), first), _turns(few)] if step else []
    return [f"{what[0].upper()}{what[1:]} (suspect: {key})." for what, key in filter(None, said)]


def _hounsfield(few, frame):
    """Air and soft tissue must be there, the latter where it is due."""
    body = few[few > BODY_HU].astype(np.int32)
    mode = BODY_HU
    if len(body):
        mode += int(np.bincount((body - BODY_HU) // BIN_HU).argmax()) * BIN_HU + BIN_HU // 2
    slope, intercept = frame.slope, frame.intercept
    if few.min() < AIR_HU and SOFT_HU[0] <= mode <= SOFT_HU[1] and slope > 0:
        return None
    found = "no tissue" if not len(body) else "no air" if few.min() >= AIR_HU else "tissue"
    at = f" at {mode} HU" * (found == "tissue")
    keyword = "RescaleIntercept" if slope == 1 else "RescaleSlope"
    unit = f"RescaleType {frame.source.facts.rescale_type or 'missing'}"
    where = f"in {frame.name} with slope {slope:g}, intercept {intercept:g}, {unit}"
    return f"{found}{at} {where}", keyword


def _pixels(body, widths, frame):
    """The body's width, and the picture's against ReconstructionDiameter."""
    width = max((int(body.any((0, 3 - k)).sum()) * widths[k - 1] for k in (1, 2)), default=0)
    side, diameter = frame.pixel_spacing[1], frame.stated("ReconstructionDiameter") or 0
    if max(frame.pixel_spacing) > LONGEST_SIDE * min(frame.pixel_spacing):
        return "pixels of {:g} x {:g} mm, no squares".format(*frame.pixel_spacing), "PixelSpacing"
    if body.any() and not NARROWEST <= width <= WIDEST:
        return f"a body {width:.3g} mm wide by PixelSpacing {side:g} mm", "PixelSpacing"
    field, matrix = frame.coding.cols * side, diameter / side
    cut = field < diameter and any(abs(matrix - usual) < 0.01 * usual for usual in MATRICES)
    if diameter > 0 and not (FIELD[0] <= field / diameter <= FIELD[1] or cut):
        stated = f"ReconstructionDiameter {diameter:g} mm"
        return f"a picture {field:.4g} mm wide by PixelSpacing but {stated}", "PixelSpacing"
    return None


def _slices(step, frame):
    """The distance of slices against what else the header says of it."""
    stated, thick = abs(frame.stated("SpacingBetweenSlices") or 0), frame.thickness or 0
    wrong = stated and not 1 / SPACING_RATIO <= step / stated <= SPACING_RATIO
    if wrong or (not stated and step < thick / THICKEST) or not NEAREST < step < FARTHEST:
        said = f" where SpacingBetweenSlices is {stated:g} mm" if stated else ""
        said += f" where SliceThickness is {thick:g} mm" if thick else ""
        return f"slices are {step:.4g} mm apart{said}", "ImagePositionPatient"
    return None


def _turns(few):
    """Slices that are more like the next but one than like the next: two stacks, interleaved."""
    few = np.clip(few, -1024, 1000)
    near = np.abs(np.diff(few, axis=0)).mean() if len(few) > 3 else 0
    for count in range(2, min(len(few) // 2, 4) + 1):
        if np.abs(few[count:] - few[:-count]).mean() < 0.75 * near:
            return f"every {count}. slice goes on where others change", "SeriesInstanceUID"
    return None
