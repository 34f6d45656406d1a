"""Small valid CT series as DICOM files, with faults of the test's choice.

Slice k (0 at the feet end) holds 100 k + 10 row + col HU, so that any flip, shift or swap of
slices, rows or columns shows. Files are named from the head down, as scanners number them.
"""

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.1442"
SERIES = f"{ROOT}.2"


def expected_hu(count, rows=8, cols=6):
    """What write_series writes, on the canonical grid."""
    k, row, col = np.ogrid[:count, :rows, :cols]
    return 100 * k + 10 * row + col


def ct_slice(k, spacing=3.0, rows=8, cols=6):
    """One valid axial CT slice, head first supine, as a data set ready to be changed."""
    dataset = FileDataset(None, {}, preamble=b"\0" * 128, file_meta=FileMetaDataset())
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{ROOT}.3.{k + 1}"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID = "Test^Patient", "P1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.1", SERIES
    dataset.FrameOfReferenceUID = f"{ROOT}.4"
    dataset.SeriesDescription, dataset.Manufacturer = "Thorax", "Factory"
    dataset.PatientPosition = "HFS"
    dataset.SliceThickness, dataset.SliceLocation = "3", f"{k * spacing:.6g}"
    dataset.ImagePositionPatient = [-20, -30, f"{k * spacing - 100:.6g}"]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = ["0.75", "0.5"]
    dataset.Rows, dataset.Columns = rows, cols
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024"
    set_pixels(dataset, expected_hu(k + 1, rows, cols)[k] + 1024)
    return dataset


def set_pixels(dataset, stored):
    """Replace the stored pixels (16 bits each)."""
    dataset.Rows, dataset.Columns = stored.shape
    dataset.PixelData = (np.asarray(stored) & 0xFFFF).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def save(dataset, path, syntax=ExplicitVRLittleEndian):
    """Write a data set as a DICOM file; compressed pixels must be there already."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    if not syntax.is_little_endian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
    dataset.save_as(path, enforce_file_format=True)


def write_series(folder, count=5, edit=None, syntax=ExplicitVRLittleEndian, suffix=".dcm", **shape):
    """Write `count` slices into `folder`; edit(dataset, k) changes slice k before it is written.

    Returns the files' paths, slice 0 (the feet end) first.
    """
    paths = []
    for k in range(count):
        dataset = ct_slice(k, **shape)
        if edit:
            edit(dataset, k)
        paths.append(folder / f"1-{count - k:03d}{suffix}")
        if syntax.is_encapsulated:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(syntax, generate_instance_uid=False)
        save(dataset, paths[-1], syntax)
    return paths


def replace_bytes(path, old, new):
    """Change bytes of a written file in place: for values that pydicom refuses to write."""
    data = path.read_bytes()
    assert data.count(old) == 1 and len(old) == len(new), "the fault must hit once, in place"
    path.write_bytes(data.replace(old, new))


def enhanced_ct(count=5, rows=8, cols=6, spacing=3.0):
    """The same series as one multi-frame object (PS3.3 A.38), head first, geometry in groups."""
    dataset = ct_slice(0, spacing, rows, cols)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    dataset.NumberOfFrames = count
    stored = (expected_hu(count, rows, cols)[::-1] + 1024).astype("<u2")
    dataset.PixelData = stored.tobytes()
    shared, orientation, measures, rescale = Dataset(), Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = ["0.75", "0.5"], "3"
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", "-1024", "HU"
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    shared.PixelValueTransformationSequence = [rescale]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for k in reversed(range(count)):
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = [-20, -30, f"{k * spacing - 100:.6g}"]
        group.PlanePositionSequence = [place]
        dataset.PerFrameFunctionalGroupsSequence.append(group)
    moved = "ImagePositionPatient ImageOrientationPatient PixelSpacing RescaleSlope"
    for keyword in (moved + " RescaleIntercept SliceLocation SliceThickness").split():
        delattr(dataset, keyword)
    return dataset


def with_flipped_bits(data, rng, count):
    """The bytes of a file with so many of their bits flipped, anywhere."""
    scrambled = bytearray(data)
    for place in rng.integers(0, len(data), count):
        scrambled[place] ^= 1 << rng.integers(8)
    return scrambled


def moved(heights):
    """Edit that puts slice k at heights[k] mm."""

    def edit(dataset, k):
        dataset.ImagePositionPatient = [-20, -30, f"{heights[k]:.6g}"]
        dataset.SliceLocation = f"{heights[k]:.6g}"

    return edit
