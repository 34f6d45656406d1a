"""The DICOM side of the synthetic CT: one CT Image Storage object a slice (PS3.3 A.3)."""

import json
import math
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from utils.datasets.phantom.patients import Patient

PADDING = -2000  # stored outside a reconstructed disc
# what all slices of all patients share: keyword -> value
HEADER = json.loads(Path(__file__).with_name("header.json").read_bytes())


def ct_slice(patient: Patient, stored: np.ndarray, number: int, seed: int | str) -> FileDataset:
    """DICOM object of slice `number` (0 at the feet end) of `stored` [slices, rows, cols].

    stored : int16 or uint16 little-endian pixel values as they go into the file. UIDs derive
    from `seed`, patient and slice, so equal input gives equal bytes. Names, dates and
    institution are invented: de-identification has something to remove.
    """
    p, root = patient, f"phantom {seed} {patient.number}"
    study, series, frame, instance = (
        generate_uid(entropy_srcs=[f"{root} {part}"])
        for part in ("study", "series", "frame of reference", f"slice {number}")
    )
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in HEADER.items():
        setattr(ds, keyword, value)
    _describe_patient_and_scanner(ds, p)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, instance
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
    ds.InstanceNumber = len(stored) - number  # from the head down, as scanners often count
    _place(ds, p, number)
    ds.Rows, ds.Columns = stored.shape[1:]
    ds.PixelRepresentation = int(p.signed)
    if p.padded:
        ds.PixelPaddingValue = PADDING
    ds.RescaleIntercept = p.intercept
    ds.PixelData = stored[number].tobytes()
    return ds


def _describe_patient_and_scanner(ds, p):
    """Who was scanned, when and how: all invented."""
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = f"20240{1 + p.number % 9}{11 + p.number}"
    ds.StudyTime = f"{8 + p.number % 9:02d}3000"
    ds.AccessionNumber = f"SYN{p.number:05d}"
    ds.SeriesDescription = f"Chest {p.spacing:g} mm"
    ds.PatientName = {"F": "Mustermann^Erika", "M": "Mustermann^Max"}[p.sex]
    ds.PatientID = f"X{70400 + 37 * p.number}"
    ds.PatientBirthDate = f"{2023 - p.age}0{1 + p.number % 9}15"
    ds.PatientSex, ds.PatientAge = p.sex, f"{p.age:03d}Y"
    ds.PatientSize = p.height
    ds.PatientWeight = round(72 * math.prod(p.scale) + 1.3 * p.fat)
    ds.XRayTubeCurrent, ds.SliceThickness, ds.ConvolutionKernel = p.dose, p.spacing, p.kernel


def _place(ds, p, number):
    """Where the slice lies: head first, supine, x to the left, y to the back, z to the head."""
    corner = -(p.matrix - 1) / 2 * p.pixel
    z = round(-640.5 + 11 * p.number + number * p.spacing, 4)
    ds.ImagePositionPatient = [round(corner, 4), round(corner - 160 - p.couch, 4), z]
    ds.SliceLocation, ds.PixelSpacing = z, [p.pixel, p.pixel]
