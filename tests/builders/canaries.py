"""A word that is nowhere by chance, in every text of a header; and where it is found again."""

import base64
import gzip
import io
import re
import struct
import zipfile
import zlib

import pydicom
from phantom_builders import small_patient
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from utils.datasets.phantom.making import write_case

WORD = "Zebedeeq"  # begins every text; what follows says which element it was
ROOT = "1.2.826.0.1.3680043.10.7070707"  # begins every UID
DAY = "19170203"  # is every date
FOUND = re.compile(rb"zebedeeq[0-9a-f]{0,8}|3680043\.10\.7070707[.0-9]*|19170203", re.IGNORECASE)
SMALL = "epochs=1 image_size=32 pixel_size=12.0 width=2 levels=2 batch_size=4"  # a run in seconds
TEXTS = set("AE LO LT PN SH ST UC UR UT".split())
# code strings without which a slice is none
NEEDED = """Modality ImageType SpecificCharacterSet PhotometricInterpretation RescaleType
    PatientPosition PatientOrientation""".split()
BASE64 = re.compile(rb"[A-Za-z0-9+/\\n=]{64,}")
STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
KERNED = re.compile(rb"\)\s*-?[\d.]+\s*\(")  # a number between the parts of a word in a PDF


def plant(dataset):
    """Fill every element of the dictionary that is text, code, date or UID, and a private block."""
    for tag, (vr, _, _, retired, _) in DicomDictionary.items():
        usual = 0x0008 <= tag >> 16 < 0x7FE0 and tag >> 16 not in (0x0028, 0x5200) and not retired
        if not usual or DicomDictionary[tag][4] in NEEDED:
            continue
        if vr in TEXTS or vr == "CS":
            word = f"{WORD}{tag:08X}"
            dataset.add_new(tag, vr, word.upper() if vr == "CS" else word)
        elif vr == "DA":
            dataset.add_new(tag, vr, DAY)
    for element in dataset:
        if element.VR == "UI" and element.keyword.endswith("InstanceUID"):
            last = int(str(element.value)[-9:].split(".")[-1])
            element.value = f"{ROOT}.{element.tag.elem}.{last}"
    dataset.FrameOfReferenceUID = f"{ROOT}.82"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    request = Dataset()
    request.RequestedProcedureDescription = f"{WORD}00321060"
    dataset.RequestAttributesSequence = [request]
    block = dataset.private_block(0x0029, WORD, create=True)
    block.add_new(1, "LO", f"{WORD}00290001")
    dataset.preamble = WORD.encode().ljust(128, b"\0")


def change(folder, edit):
    """edit(dataset, number) on every file of a folder, in its order."""
    for number, file in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(file)
        edit(dataset, number)
        dataset.save_as(file)


def data_set(folder):
    """Write three small cases, whose every text is a canary; returns the folder."""
    for number in range(3):
        name = write_case(small_patient(number), folder / "Images", folder / "Segmentations")
        change(folder / "Images" / name, lambda dataset, _: plant(dataset))
    return folder


def found_in(data):
    """Canaries in bytes, and in whatever is packed in them."""
    return sorted({hit for part in _unpacked(data) for hit in FOUND.findall(part)})


def found_below(folder, skip=()):
    """File below a folder -> canaries in its name or bytes; skip : folders left out."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    files = (file for file in files if not any(file.is_relative_to(other) for other in skip))
    hits = {file: found_in(file.read_bytes()) + found_in(file.name.encode()) for file in files}
    assert hits, "nothing was written: then nothing was tested either"
    return {str(file.relative_to(folder)): hit for file, hit in hits.items() if hit}


def _unpacked(data, depth=0):
    """The bytes, without zeros (UTF-16), and what zip, gzip, PNG, PDF and base64 hold."""
    yield data
    yield data.replace(b"\0", b"")
    if depth == 3:
        return
    for part in _parts(data):
        yield from _unpacked(part, depth + 1)


def _parts(data):
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from map(archive.read, archive.namelist())
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"\x89PNG"):
        yield from _png_texts(data)
    elif data.startswith(b"%PDF"):
        for stream in STREAM.findall(data):
            yield KERNED.sub(b"", _inflated(stream))
    elif data[:1] in b"{<":
        for text in BASE64.findall(data):
            text = text.replace(b"\\n", b"")
            yield base64.b64decode(text[: len(text) // 4 * 4], validate=False)
    elif data[:1] == b"x":
        yield _inflated(data)


def _png_texts(data):
    place = 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunk, place = data[place + 8 : place + 8 + length], place + 12 + length
        if kind in (b"zTXt", b"iTXt"):
            yield from map(_inflated, chunk.split(b"\0"))


def _inflated(data):
    try:
        return zlib.decompressobj().decompress(data)
    except zlib.error:
        return data
