"""Ways to leave an invented patient's identity in a file: name of the plant -> plant(path)."""

from dicom_factory import ROOT, ct_slice, save
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.tag import Tag
from pydicom.uid import JPEGLSLossless

STUDY = f"{ROOT}.19.61"


def write_patient(folder, edit=None, count=1):
    """A CT series of a patient with names in three scripts, and everything that tells of her."""
    for k in range(count):
        dataset = ct_slice(k)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = "Müller-Lüdenscheidt^Zebedee^O'Brien^^Li=王^小东=홍^길동"
        dataset.PatientID, dataset.AccessionNumber = "0004711-77", "ACC-99/1"
        dataset.PatientBirthDate, dataset.StudyDate = "19610523", "20240229"
        dataset.StudyInstanceUID, dataset.SOPInstanceUID = STUDY, f"{STUDY}.{k + 1}"
        dataset.ReferringPhysicianName, dataset.InstitutionName = "Wu^Bo", "Hospital"
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        if edit:
            edit(dataset, k)
        save(dataset, folder / f"{k + 1}.dcm")
    return folder


def _changed(change):
    def plant(path):
        dataset = dcmread(path)
        change(dataset)
        dataset.save_as(path, enforce_file_format=True)

    return plant


def _set(keyword, value):
    return _changed(lambda dataset: setattr(dataset, keyword, value))


def _add(tag, vr, value):
    return _changed(lambda dataset: dataset.add(DataElement(Tag(tag), vr, value)))


def _comment(text):
    """In ImageComments, whose character set holds all scripts."""

    def change(dataset):
        dataset.SpecificCharacterSet, dataset.ImageComments = "ISO_IR 192", text

    return _changed(change)


def _within(keyword, value):
    """Three sequences deep."""

    def change(dataset):
        inner, middle, outer = Dataset(), Dataset(), Dataset()
        setattr(inner, keyword, value)
        middle.PurposeOfReferenceCodeSequence = [inner]
        outer.SourceImageSequence, dataset.DerivationImageSequence = [middle], [outer]

    return _changed(change)


def _appended(data):
    return lambda path: path.write_bytes(path.read_bytes() + data)


def _preamble(path):
    data = path.read_bytes()
    path.write_bytes(b"Zebedee".ljust(128, b"\0") + data[128:])


def _surplus(dataset):
    dataset.PixelData += b"Zebedee\0"


def _silent_surplus(dataset):
    dataset.PixelData += bytes(2)


def _unused_bits(dataset):
    data = bytearray(dataset.PixelData)
    data[1] |= 0x50
    dataset.PixelData = bytes(data)


def _voxels(text):
    """In the used bits of the pixels, two letters a voxel of 16 bits."""

    def change(dataset):
        data = text.ljust(2 * len(text) % 2 + len(text))
        dataset.PixelData = data + dataset.PixelData[len(data) :]
        dataset.BitsStored, dataset.HighBit = 16, 15

    return _changed(change)


def _jpeg(insert=b"", more=()):
    """As JPEG-LS with a segment after its start, and with further fragments."""

    def change(dataset):
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        data = encapsulate([frame[:2] + insert + frame[2:], *more], has_bot=False)
        dataset.PixelData = data
        dataset["PixelData"].is_undefined_length = True

    return _changed(change)


def _segment(marker, text):
    return _jpeg(b"\xff" + marker + (len(text) + 2).to_bytes(2, "big") + text)


def _overlay(dataset):
    for element, vr, value in ((0x10, "US", 8), (0x11, "US", 8), (0x3000, "OW", b"Zebedee!")):
        dataset.add_new(0x60000000 + element, vr, value)


NAMES = """Müller|Mueller|Muller|MÜLLER|mu\u0308ller|O'Brien|OBrien|O’BRIEN|Lüdenscheidt
|Luedenscheidt|MüllerLüdenscheidt|Mueller-Luedenscheidt|Zebedee Müller|zebedeemüller|qzebedee
|zebedee41|x_Zebedee_|Zebedee's|saw Li today|(Li)|LI, 62|Wu|Dr. Bo Wu|王|王小东|小东 王|홍길동|길동
|홍""".replace("\n", "")
DATES = """born 23 May 1961|23.05.1961|23.5.61|1961-05-23|05/23/1961|5/23/61|May 23, 1961
|23rd of May 1961|23. Mai 1961|23-MAY-61|19610523|1961/5/23|1961 May 23|23051961|23 mai 1961
|on 29.2.2024|20240229T1011""".replace("\n", "")
NUMBERS = "4711-77|471177|0004711-77|4711 77|4711.77|000471177|ID:471177.|acc991|ACC 99-1"
UIDS = f"{STUDY}|http://pacs/wado?studyUID={STUDY}&x=1|see {STUDY}.1.|uid={STUDY}.77.5"
TEXTS = [text for kind in (NAMES, DATES, NUMBERS, UIDS) for text in kind.split("|")]
PLANTS = {f"text {text}": _comment(text) for text in TEXTS} | {
    "UTF-8 in UN": _add(0x00091001, "UN", "Müller".encode()),
    "Latin-1 in UN": _add(0x00091001, "UN", "Müller".encode("latin-1")),
    "UTF-16 LE in UN": _add(0x00091001, "UN", "Zebedee".encode("utf-16-le")),
    "UTF-16 BE in UN": _add(0x00091001, "UN", "Zebedee".encode("utf-16-be")),
    "GB18030 in UN": _add(0x00091001, "UN", "王小东".encode("gb18030")),
    "EUC-KR in UN": _add(0x00091001, "UN", "길동".encode("euc-kr")),
    "document": _add(0x00420011, "OB", b"%PDF Zebedee"),
    "curve": _add(0x50003000, "OB", b"Zebedee "),
    "overlay": _changed(_overlay),
    "padding at the end": _add(0xFFFCFFFC, "OB", b"Zebedee "),
    "sequences": _within("CodeMeaning", "Zebedee"),
    "description": _set("StudyDescription", "CT of Zebedee"),
    "kernel": _set("ConvolutionKernel", "ZEBEDEE"),
    "code string": _set("BodyPartExamined", "ZEBEDEE"),
    "vendor": _set("Manufacturer", "Zebedee Inc"),
    "name": _set("PatientName", "Zebedee"),
    "number": _set("PatientID", "4711-77"),
    "birth date": _set("PatientBirthDate", "19610523"),
    "study date": _set("StudyDate", "20240229"),
    "study UID": _set("StudyInstanceUID", STUDY),
    "creator UID": _set("InstanceCreatorUID", f"{STUDY}.1"),
    "number as a number": _set("Exposure", "471177"),
    "media application": _changed(
        lambda dataset: setattr(dataset.file_meta, "SourceApplicationEntityTitle", "ZEBEDEE")
    ),
    "preamble": _preamble,
    "bytes after the end": _appended(b"Zebedee"),
    "element after the end": _appended(b"\xfc\xff\xfc\xffOB\0\0\x08\0\0\0Zebedee "),
    "after the pixels": _changed(_surplus),
    "16-bit voxels": _voxels(b"Zebedee Mueller "),
    "JPEG comment": _segment(b"\xfe", b"Zebedee"),
    "JPEG application segment": _segment(b"\xe7", b"Zebedee"),
    "further fragment": _jpeg(more=[b"Zebedee "]),
}
# what tells of nobody by itself, but can hold anything
SILENT = {
    "zeros after the pixels": _changed(_silent_surplus),
    "unused bits": _changed(_unused_bits),
    "private creator": _add(0x00090010, "LO", "VENDOR"),
    "unknown element": _add(0x00181999, "LO", "x"),
    "sex": _set("PatientSex", "F"),
    "age": _set("PatientAge", "062Y"),
    "time of day": _set("AcquisitionTime", "101112"),
    "free text": _set("ImageComments", "does it fit"),
}
