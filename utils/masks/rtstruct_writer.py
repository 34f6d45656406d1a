"""Masks as contours of an RTSTRUCT on the original series; `rtstruct` is the way back.

A contour runs half-way between the centres of voxels within and without (marching squares), a hole
is a contour within another. By the rule of readers, that a voxel belongs to what encloses its
centre, they give the mask itself back.
"""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from utils.dicom import Volume, integer, text
from utils.masks.names import TABLES, refusal
from utils.masks.rtstruct import roi_masks
from utils.masks.seg_writer import write_object

OF_STUDY = (*TABLES["type 2"], "StudyInstanceUID", "SpecificCharacterSet")


def write_rtstruct(
    mask: np.ndarray,
    volume: Volume,
    file: Path | str,
    regions: tuple[str, ...] = ("both",),
    algorithm: str | None = None,
) -> None:
    """Write a mask as an RTSTRUCT that refers to the series of `volume`; all as `write_seg`."""

    def made(labels, sources, order):
        images = _images(sources, order)
        dataset = _structure_set(sources[0], list(images.values()))
        for number, region in enumerate(regions, 1):
            drawn = _outlines(volume.on_stored_grid(labels == number))
            contours = [_contour(volume.stored_points(o), images[o[0, 0]]) for o in drawn]
            _add(dataset, number, region, contours, algorithm)
        return dataset

    def read(written, volume):
        return roi_masks(written, volume)[0]

    if np.shape(mask) == volume.hu.shape and not np.any(mask):
        raise refusal("nothing to draw", Path(file).name)
    write_object("an RTSTRUCT", made, read, mask, volume, file, regions)


def _outlines(stored):
    """Contours [n, 3] (slice, row, col) of a mask, without points on a straight line."""
    from skimage.measure import find_contours  # a second, and few write an RTSTRUCT

    for k in np.flatnonzero(stored.any(axis=(1, 2))):
        for line in find_contours(np.pad(stored[k], 1).astype(float), 0.5):
            points = line[:-1] - 1  # the last is the first again
            way = np.roll(points, -1, axis=0) - points
            corner = (way != np.roll(way, 1, axis=0)).any(axis=1)
            yield np.insert(points[corner], 0, k, axis=1)


def _item(**elements):
    """A data set of these elements; lists of data sets become sequences."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _images(sources, order):
    """The item that refers to the source image of each slice: slice -> item."""
    frames = [(s, n) for s in sources for n in range(integer(s, "NumberOfFrames", 1))]
    images = {}
    for k, (source, n) in zip(order, frames, strict=True):
        images[k] = _item(
            ReferencedSOPClassUID=source.SOPClassUID, ReferencedSOPInstanceUID=source.SOPInstanceUID
        )
        if "NumberOfFrames" in source:
            images[k].ReferencedFrameNumber = n + 1
    return images


def _structure_set(source, images):
    """The object without structures: patient and study as in a source file (PS3.3 A.19.3)."""
    place = text(source, "FrameOfReferenceUID")
    series = _item(SeriesInstanceUID=source.SeriesInstanceUID, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # a study, as this element wants it
        ReferencedSOPInstanceUID=source.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    frame = _item(FrameOfReferenceUID=place, RTReferencedStudySequence=[study])
    dataset = _item(**{keyword: source.get(keyword) for keyword in OF_STUDY if keyword in source})
    dataset.update(_item(**TABLES["RTSTRUCT"], ReferencedFrameOfReferenceSequence=[frame]))
    dataset.FrameOfReferenceUID, dataset.StructureSetDate = place, ""  # `write_object` sets it
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _contour(points, image):
    """Item of one contour; points [n, 3] in mm, to a thousandth."""
    contour = _item(ContourImageSequence=[image], ContourGeometricType="CLOSED_PLANAR")
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:.3f}" for value in points.ravel()]
    return contour


def _add(dataset, number, region, contours, algorithm):
    """Add a structure with its contours, its colour, and who drew it."""
    structure = _item(ROINumber=number, ROIName=TABLES["TG-263"][region])
    structure.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
    structure.ROIGenerationAlgorithm = "AUTOMATIC" if algorithm else "MANUAL"
    structure.ROIGenerationDescription = (algorithm or "")[:64]
    dataset.StructureSetROISequence.append(structure)
    drawn = _item(ReferencedROINumber=number, ContourSequence=contours)
    drawn.ROIDisplayColor = TABLES["colours"][region]
    dataset.ROIContourSequence.append(drawn)
    observed = _item(ObservationNumber=number, ReferencedROINumber=number)
    observed.RTROIInterpretedType, observed.ROIInterpreter = "ORGAN", None
    dataset.RTROIObservationsSequence.append(observed)
