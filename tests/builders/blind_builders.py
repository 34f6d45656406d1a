"""Further ways to hide an invented patient in a file, thought of by an adversary of the list.

Name of the plant -> edit(dataset) of a slice of `plant_builders.write_patient`, once it is a file.
"""

import base64
import struct

from dicom_factory import ct_slice
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.encaps import generate_frames, itemize_fragment
from pydicom.tag import Tag
from pydicom.uid import JPEG2000Lossless, RLELossless
from rtstruct_factory import item

NAME, NUMBER, DAY = "Zebedee", "4711-77", "19610523"
FULL_WIDTH = "".join(chr(ord(c) + 0xFEE0) for c in NAME)
ZERO_WIDTH = "\u200b".join(NAME)
AS_NUMBER = str(int.from_bytes(NAME.encode(), "big"))
CODES = [str(ord(letter)) for letter in NAME]


def _set(keyword, value, charset="ISO_IR 192"):
    def edit(dataset):
        dataset.SpecificCharacterSet = charset
        setattr(dataset, keyword, value)

    return edit


def _raw(tag, vr, value):
    """As stored, without a check of what is written."""

    def edit(dataset):
        element = DataElement(Tag(tag), "UN", value)
        element.VR = vr
        dataset.add(element)

    return edit


def _code(value, scheme, meaning):
    code = item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)
    return _set("AnatomicRegionSequence", [code])


def _double(keyword, text):
    """The eight bytes of a text as one floating-point number."""
    return _set(keyword, struct.unpack("<d", text)[0])


def _stream(syntax, change, behind=b""):
    """Compressed, the codestream changed, and something behind the last fragment's data."""

    def edit(dataset):
        dataset.Rows, dataset.Columns = 64, 48  # JPEG 2000 wants some
        dataset.PixelData = (dataset.PixelData * 64)[: 64 * 48 * 2]
        dataset.compress(syntax, generate_instance_uid=False)
        stream = change(next(generate_frames(dataset.PixelData, number_of_frames=1)))
        data = itemize_fragment(b"") + itemize_fragment(stream + behind)
        dataset.PixelData = data
        dataset["PixelData"].is_undefined_length = True

    return edit


def _com_of_jpeg2000(stream):
    """A COM segment before the first tile (ISO 15444-1 A.9.2)."""
    at, text = stream.index(b"\xff\x90"), NAME.encode() + b" "
    segment = b"\xff\x64" + (len(text) + 4).to_bytes(2, "big") + b"\0\1" + text
    return stream[:at] + segment + stream[at:]


def _in_the_offset_table(dataset):
    _stream(RLELossless, bytes)(dataset)
    text = NAME.encode() + b"\0"
    dataset.PixelData = dataset.PixelData.replace(
        itemize_fragment(b""), itemize_fragment(text), 1
    )  # fmt: skip


def _number_in_the_pixels(dataset):
    dataset.PixelData = b"0004711-77 " + dataset.PixelData[11:]
    dataset.BitsStored, dataset.HighBit = 16, 15


def _icon(dataset):
    icon = ct_slice(1)
    icon.PixelData = NAME.encode() + bytes(89)
    dataset.IconImageSequence = [icon]


def _deep(dataset):
    inner = item(ImageComments=NAME, StationName=NAME)
    outer = item(ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID="1.2.3")
    outer.PurposeOfReferenceCodeSequence = [
        item(CodeValue="121322", CodingSchemeDesignator="DCM", CodeMeaning=NAME, PatientName=NAME)
    ]
    outer.RequestAttributesSequence = [inner]
    dataset.SourceImageSequence = [outer]


def _tables(dataset):
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        table = item(LUTExplanation=NAME)
        table.add_new(0x00283002, "US", [4, 0, 16])
        table.add_new(0x00283006, "OW", NAME.encode() + b"\0")
        setattr(dataset, keyword, [table])


def _letters_of_tags(dataset):
    """Unknown even groups: (6542,6544) and its like spell out in the table of what was done."""
    for one, two in zip(NAME.encode()[::2], NAME.encode()[1::2], strict=False):
        tag = Tag(0x4000 + (one & 0xFE), 0x4711 + two)
        dataset.add(DataElement(tag, "LO", NAME))


PATIENTS = {"letters of kernels": "Abel", "letters of directions": "Ralph"}  # else another name
PLANTS = {
    "meaning of a known code": _code("39607008", "SCT", NAME),
    "a scheme of their own": _code(NAME.upper(), "99ZEBEDEE", NAME),
    "UID of the name's bytes": _set("SeriesInstanceUID", f"2.25.{AS_NUMBER}"),
    "UID with number and birth date": _set("FrameOfReferenceUID", f"1.2.826.471177.{DAY}"),
    "station": _set("StationName", "ZEBEDEE-CT1"),
    "initials of the hospital": _set("DeviceSerialNumber", "SNH-ZEBEDEE"),
    "tables": _tables,
    "colour profile": _set("ICCProfile", b"\0" * 8 + NAME.encode() + b"\0"),
    "surplus of an RLE segment": _stream(RLELossless, bytes, NAME.encode() + b"\0"),
    "comment of JPEG 2000": _stream(JPEG2000Lossless, _com_of_jpeg2000),
    "offset table": _in_the_offset_table,
    "base64": _set("ImageComments", base64.b64encode(NAME.encode()).decode()),
    "hexadecimal": _set("ImageComments", NAME.encode().hex()),
    "zero-width characters": _set("StudyDescription", ZERO_WIDTH),
    "full-width letters": _set("StudyDescription", FULL_WIDTH),
    "Cyrillic under a wrong label": _raw(0x00081030, "LO", "Зебеди".encode("cp1251")),
    "Korean under a wrong label": _raw(0x00081030, "LO", "길동".encode("euc-kr")),
    "Chinese under a wrong label": _raw(0x00081030, "LO", "王小东".encode("gb18030")),
    "character set": _set("SpecificCharacterSet", "ISO_IR 192", "ISO_IR 192"),
    "names the other way round": _set("StudyDescription", "O'Brien^Zebedee^Müller"),
    "name backwards": _set("StudyDescription", NAME[::-1]),
    "Julian day": _set("Exposure", "2437443"),
    "epoch seconds": _set("TablePosition", -271641600.0),
    "age": _set("PatientAge", "062Y"),
    "telephone": _set("PatientTelephoneNumbers", "+44 20 4711 7719"),
    "eight letters as a number": _double("RevolutionTime", b"Zebedee "),
    "and with an end": _double("SpiralPitchFactor", b"\0Zebedee"),
    "birth date with a point": _set("KVP", "1961.0523"),
    "birth date with an exponent": _raw(0x00180060, "DS", b"196105E23 "),
    "birth date the other way": _set("KVP", "2305.1961"),
    "number behind a point": _set("KVP", "0.47117700"),
    "letters of kernels": _set("ConvolutionKernel", ["A", "B", "E", "L"]),
    "letters of directions": _set("PatientOrientation", ["R", "A", "L", "P", "H"]),
    "letters as numbers": _set("KVP", CODES),
    "letters as numbers, many": _set("WindowCenter", CODES),
    "letters of tags": _letters_of_tags,
    "number in the pixels": _number_in_the_pixels,
    "icon": _icon,
    "code within a reference": _deep,
    "window": _set("WindowCenterWidthExplanation", "for Zebedee"),
    "agent": _set("ContrastBolusAgent", "Zebedee 80 ml"),
    "time with the birth date": _set("AcquisitionDateTime", f"{DAY}101112.196105"),
    "time zone": _set("FrameReferenceDateTime", f"{DAY}101112.4711+0100"),
}


def plant(name, path):
    """Into the file of a slice."""
    dataset = dcmread(path)
    PLANTS[name](dataset)
    dataset.save_as(path, enforce_file_format=True)
