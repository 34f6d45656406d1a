"""Small RTSTRUCT files for tests: contours drawn on the series of dicom_factory."""

import dicom_factory
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

FRAME, STUDY = f"{dicom_factory.ROOT}.4", f"{dicom_factory.ROOT}.1"


def item(**elements):
    """A data set of the given elements; lists of data sets become sequences."""
    dataset = Dataset()
    for keyword, value in elements.items():
        of_items = isinstance(value, list) and all(isinstance(part, Dataset) for part in value)
        setattr(dataset, keyword, Sequence(value) if of_items else value)
    return dataset


def in_mm(volume, index):
    """Points [n, 3] in mm (LPS) of voxel indices [n, 3] (slice, row, col) of a volume."""
    return np.asarray(index) @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def contour(points, kind="CLOSED_PLANAR"):
    """One item of ContourSequence from points [n, 3] in mm."""
    values = [f"{float(value):.10g}" for point in points for value in point]
    return item(
        ContourGeometricType=kind, NumberOfContourPoints=len(values) // 3, ContourData=values
    )


def structure_set(structures, series=dicom_factory.SERIES, frame=FRAME, roi_frame=None):
    """An RTSTRUCT data set; structures : list of (name, list of contours)."""
    dataset = FileDataset(None, {}, preamble=b"\0" * 128, file_meta=FileMetaDataset())
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, "1.2.3.4.5"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "RTSTRUCT", "P1", "Test^Patient"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, "1.2.3.4.6"
    referenced = [item(SeriesInstanceUID=series)] if series else []
    study = item(ReferencedSOPInstanceUID=STUDY, RTReferencedSeriesSequence=referenced)
    reference = item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])
    dataset.ReferencedFrameOfReferenceSequence = [reference]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(structures, 1):
        dataset.StructureSetROISequence.append(
            item(
                ROINumber=number,
                ROIName=name,
                ReferencedFrameOfReferenceUID=frame if roi_frame is None else roi_frame,
            )
        )
        dataset.ROIContourSequence.append(
            item(ReferencedROINumber=number, ContourSequence=list(contours))
        )
    return dataset


def write_rtstruct(path, structures, edit=None, syntax=ImplicitVRLittleEndian, **references):
    """Write an RTSTRUCT; edit(dataset) changes it before."""
    dataset = structure_set(structures, **references)
    if edit:
        edit(dataset)
    dicom_factory.save(dataset, path, syntax)
    return path


def with_undefined_lengths(dataset):
    """Edit for `write_rtstruct`: sequences end at a delimiter instead of stating their length."""
    for keyword in ("StructureSetROISequence", "ROIContourSequence"):
        dataset[keyword].is_undefined_length = True
    for roi in dataset.ROIContourSequence:
        roi["ContourSequence"].is_undefined_length = True
