"""Pictures of a patient who stands in every corner: ultrasound, photographs, screenshots, films."""

import io

import numpy as np
from dicom_factory import ct_slice, save
from identity_builders import give_identity as give_all
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)
from rtstruct_factory import item

CLASSES = "1.2.840.10008.5.1.4.1.1."
ULTRASOUND, CINE, SCREEN, PHOTO = "6.1", "3.1", "7", "77.1.4"
MODALITIES = {ULTRASOUND: "US", CINE: "US", PHOTO: "XC", "2": "CT"}
REGION = {"RegionSpatialFormat": 1, "RegionDataType": 1, "RegionFlags": 2, "PhysicalDeltaX": 0.02,
          "PhysicalDeltaY": 0.02, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3,
          "RegionLocationMinX0": 2, "RegionLocationMinY0": 3, "RegionLocationMaxX1": 40,
          "RegionLocationMaxY1": 60}  # fmt: skip
SIZE = 64, 48
RGB = np.random.default_rng(7).integers(0, 256, (*SIZE, 3), np.uint8)
GREY = np.random.default_rng(8).integers(0, 4096, SIZE).astype(np.uint16)


def give_identity(dataset, k=0):
    """A name that no attribute has is the physician's."""
    give_all(dataset, k)
    dataset.ReferringPhysicianName = "Wu^Bo"


def picture(sop_class, values=RGB, **more):
    """An object of that class, with a patient in every corner of it, and no place in space."""
    dataset = ct_slice(90)
    give_identity(dataset)
    dataset.SOPClassUID, dataset.Modality = CLASSES + sop_class, MODALITIES.get(sop_class, "OT")
    for keyword in """ImagePositionPatient ImageOrientationPatient SliceLocation RescaleSlope
            RescaleIntercept SliceThickness""".split():  # fmt: skip
        delattr(dataset, keyword)
    dataset.ImageType, dataset.PatientOrientation = ["ORIGINAL", "PRIMARY"], ["L", "F"]
    dataset.InstanceNumber = dataset.SeriesNumber = dataset.StudyID = "1"
    dataset.LossyImageCompression, dataset.AcquisitionContextSequence = "00", []
    dataset.PositionReferenceIndicator = dataset.Laterality = dataset.KVP = ""
    dataset.AcquisitionNumber = ""
    if sop_class == CINE:
        dataset.FrameTime, dataset.FrameIncrementPointer = "33.3", 0x00181063
    if sop_class == ULTRASOUND:
        dataset.SequenceOfUltrasoundRegions = [item(**REGION)]
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.Rows, dataset.Columns = SIZE
    if values.shape[-1] == 3:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration = 0
        if values.ndim == 4:
            dataset.NumberOfFrames = len(values)
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    dataset.ImageComments, dataset.ConversionType = "for Jane Doe", "WSD"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


def by_plane(dataset):
    dataset.PixelData, dataset.PlanarConfiguration = RGB.transpose(2, 0, 1).tobytes(), 1


def jpeg(dataset):
    """As ultrasound is mostly stored, with the name in a comment and behind the end."""
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "JPEG", quality=95)
    data, said = buffer.getvalue(), b"Doe^Jane"
    data = data[:2] + b"\xff\xfe\0\x0a" + said + b"\xff\xe7\0\x0a" + said + data[2:]
    dataset.PixelData = encapsulate([data, said], has_bot=False)
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset["PixelData"].is_undefined_length = True
    return np.asarray(Image.open(buffer))


def palette(dataset):
    """Eight colours, in whose tables a further text lies."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "PALETTE COLOR"
    dataset.PixelData = (np.arange(64 * 48) % 8).astype(np.uint8).tobytes()
    for colour in "Red Green Blue".split():
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [8, 0, 8])
        table = bytes(range(ord(colour[0]), ord(colour[0]) + 8))
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table)
    del dataset.PlanarConfiguration


def dirty(dataset):
    """Grey of 12 bits, with a text in the other four and one behind the last."""
    dataset.BitsStored, dataset.HighBit = 12, 11
    values = GREY | (np.resize(np.frombuffer(b"Doe^Jane", np.uint8), SIZE).astype("<u2") << 12)
    dataset.PixelData = values.tobytes() + b"Doe^Jane"


COLOURS = np.stack([np.arange(64 * 48).reshape(SIZE) % 8 + ord(c) for c in "RGB"], -1)
PICTURES = {  # name -> class, stored values, change, syntax, what must be shown
    "ultrasound": (ULTRASOUND, RGB, None, ExplicitVRLittleEndian, RGB),
    "ultrasound as JPEG": (ULTRASOUND, RGB, None, JPEGBaseline8Bit, "as Pillow"),
    "ultrasound in a palette": (ULTRASOUND, RGB, palette, ExplicitVRLittleEndian, COLOURS),
    "a loop": (CINE, np.stack([RGB, RGB[::-1]]), None, ExplicitVRLittleEndian, [RGB, RGB[::-1]]),
    "a screenshot": (SCREEN, GREY, dirty, ExplicitVRLittleEndian, GREY),
    "a compressed one": (SCREEN, GREY, None, JPEG2000Lossless, GREY),
    "a deflated one": (SCREEN, RGB, None, DeflatedExplicitVRLittleEndian, RGB),
    "a photograph": (PHOTO, RGB, by_plane, ExplicitVRLittleEndian, RGB),
    "a photograph as RLE": (PHOTO, RGB, None, RLELossless, RGB),
    "a photograph as JPEG 2000": (PHOTO, RGB, None, JPEG2000Lossless, RGB),
    "a CT in colours": ("2", RGB, None, ExplicitVRLittleEndian, RGB),
}


def write(kind, path):
    """One of these pictures as a file; what its pixels must show."""
    sop_class, values, change, syntax, expected = PICTURES[kind]
    dataset = picture(sop_class, values)
    if kind.endswith("as JPEG"):
        expected = jpeg(dataset)
    elif change:
        change(dataset)
    elif syntax.is_encapsulated:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(syntax, generate_instance_uid=False)
    save(dataset, path, syntax)
    return np.asarray(expected)
