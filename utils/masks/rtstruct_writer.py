"""Masks as contours of an RTSTRUCT on the original series; `rtstruct` is the way back.

A contour runs half-way between the centres of voxels within and without (marching squares), a hole
is a contour within another. By the rule of readers, that a voxel belongs to what encloses its
centre, they give the mask itself back.
"""

import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from utils.dicom import Volume, integer, library_silenced, text
from utils.errors import InputError, about
from utils.masks.rtstruct import roi_masks
from utils.masks.seg_writer import TYPE_2, checked_labels, source_datasets
from utils.workspace import written_whole

NAMES = {"both": "Lungs", "right": "Lung_R", "left": "Lung_L"}  # AAPM TG-263
COLOURS = {"both": [0, 114, 178], "right": [213, 94, 0], "left": [0, 158, 115]}
OF_STUDY = "StudyInstanceUID ReferringPhysicianName SpecificCharacterSet"


def write_rtstruct(
    mask: np.ndarray,
    volume: Volume,
    file: Path | str,
    regions: tuple[str, ...] = ("both",),
    algorithm: str | None = None,
) -> None:
    """Write a mask as an RTSTRUCT that refers to the series of `volume`; all as `write_seg`."""
    file = Path(file)
    with about(file.name), library_silenced():
        labels = checked_labels(np.asarray(mask), volume, regions)
        sources, order = source_datasets(volume)
        with written_whole(file) as temporary:
            try:
                images = _images(sources, order)
                dataset = _structure_set(sources[0], list(images.values()))
                for number, region in enumerate(regions, 1):
                    drawn = _outlines(volume.on_stored_grid(labels == number))
                    contours = [_contour(volume.stored_points(o), images[o[0, 0]]) for o in drawn]
                    _add(dataset, number, region, contours, algorithm)
                dataset.save_as(temporary, enforce_file_format=True)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise InputError(
                    f"the series' headers do not suffice for an RTSTRUCT ({error})"
                ) from None
            written, _ = roi_masks(temporary, volume)
            for number, region in enumerate(regions, 1):
                if not np.array_equal(written.get(region, 0 * labels), labels == number):
                    raise InputError("it does not read back as it was written")


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
    meta, now = FileMetaDataset(), datetime.datetime.now()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    series = _item(SeriesInstanceUID=source.SeriesInstanceUID, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # a study, as this element wants it
        ReferencedSOPInstanceUID=source.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    place = text(source, "FrameOfReferenceUID") or generate_uid()
    frame = _item(FrameOfReferenceUID=place, RTReferencedStudySequence=[study])
    dataset = FileDataset(None, {}, preamble=b"\0" * 128, file_meta=meta)
    dataset.ReferringPhysicianName = None
    for keyword in (*TYPE_2, *OF_STUDY.split()):
        if keyword in source:
            dataset.add(source[keyword])
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = place, None
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    dataset.SeriesNumber, dataset.SeriesDescription = 301, "Lung segmentation"
    dataset.Manufacturer, dataset.OperatorsName = "Lung segmentation coursework", None
    dataset.StructureSetLabel, dataset.ApprovalStatus = "LUNGS", "UNAPPROVED"
    dataset.StructureSetDate, dataset.StructureSetTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    return dataset


def _contour(points, image):
    """Item of one contour; points [n, 3] in mm, to a thousandth."""
    return _item(
        ContourImageSequence=[image],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(points),
        ContourData=[f"{value:.3f}" for value in points.ravel()],
    )


def _add(dataset, number, region, contours, algorithm):
    """Add a structure with its contours, its colour, and who drew it."""
    dataset.StructureSetROISequence.append(
        _item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=dataset.FrameOfReferenceUID,
            ROIName=NAMES[region],
            ROIGenerationAlgorithm="AUTOMATIC" if algorithm else "MANUAL",
            ROIGenerationDescription=(algorithm or "")[:64],
        )
    )
    dataset.ROIContourSequence.append(
        _item(ReferencedROINumber=number, ROIDisplayColor=COLOURS[region], ContourSequence=contours)
    )
    observed = _item(ObservationNumber=number, ReferencedROINumber=number)
    observed.RTROIInterpretedType, observed.ROIInterpreter = "ORGAN", None
    dataset.RTROIObservationsSequence.append(observed)
