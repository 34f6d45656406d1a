"""The header of one DICOM file, without its pixels: parsed here and nowhere else."""

import itertools
import os
import re
import stat
import struct
import zlib
from collections import namedtuple
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from utils.dicom.values import text
from utils.errors import InputError, printable, refusals, refused

HEADER_BLOCK = 16 * 1024  # bytes read first: holds the whole header of an ordinary slice
LARGEST_FILE = 2 * 1024**3  # bytes; an enhanced CT of 4000 slices of 512² is as long
LARGEST_INFLATED = 256 * 1024**2  # bytes; a deflated file may claim a thousandfold of its length
MOST_ITEMS = 50_000  # of sequences; an enhanced CT of 4000 slices has some 40,000
MOST_ELEMENTS = 10_000  # outside sequences; scanners write some hundreds
MOST_READS = 2_000_000  # pieces in which a long header is read, which takes two seconds
ITEM = b"\xfe\xff\x00\xe0"  # tag of a sequence's item, little endian
GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")  # 2 or 8: what a file without preamble begins with
ENCAPSULATED = 0xFFFFFFFF  # length of pixel data in fragments
PIXEL_DATA = 0x7FE00010  # integer pixels
BIG_ENDIAN = "1.2.840.10008.1.2.2"
STANDARD = "1.2.840.10008."  # what the standard's class UIDs begin with; others are a maker's own
PIXEL_TAGS = {0x7FE00008, 0x7FE00009, PIXEL_DATA}  # float, double and integer pixels
refusal = refusals(__file__)


# What a header says of its object, each element read once, as text; "" where it is silent. KEYWORDS
# are the elements, in turn; sop_class is that of the file meta where the data set has none
Facts = namedtuple(
    "Facts",
    """modality sop_class image_type patient_id patient_name study_uid series_uid
    instance_uid frame_of_reference_uid rescale_type photometric""",
)
KEYWORDS = """Modality SOPClassUID ImageType PatientID PatientName StudyInstanceUID
    SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID RescaleType
    PhotometricInterpretation""".split()


# What of these facts may stand in a message; anything else might be a name
CODES = {"modality": "|[A-Z]{2}|SEG|REG|DOC|RT[A-Z]{4,6}", "rescale_type": "[A-Z_]{0,6}",
         "photometric": "|MONOCHROME[12]|RGB|PALETTE COLOR|YBR_[A-Z0-9_]{3,12}"}  # fmt: skip


@dataclass(eq=False)
class Source:
    """One DICOM file: its header without the pixels, what it says, and where the pixels lie."""

    path: Path
    name: str  # relative to the series' folder, as shown in messages
    dataset: Dataset
    facts: Facts
    syntax: str  # transfer syntax UID
    bare: bool  # without preamble or file meta information
    size: int  # bytes of the file (of the data set after inflation, where deflated)
    pixel_tag: int | None = None
    pixel_offset: int = 0  # of the value's first byte
    pixel_length: int = 0  # bytes, or ENCAPSULATED
    inflated: bytes | None = None

    def identity(self):
        """How masks refer to the series, and its coding. Of the patient nothing; never stored."""
        named = ("series_uid", "frame_of_reference_uid")
        said = {name: printable(getattr(self.facts, name)) for name in named}
        return {**said, "transfer_syntax": self.syntax}

    def read(self, offset, length=-1):
        """Bytes of the file (or of its inflated data set), to the end if no length is given."""
        if self.inflated is not None:
            return self.inflated[offset:][: None if length < 0 else length]
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def after_pixels(self):
        """How many bytes, if they are neither DICOM elements nor padding, follow the pixels."""
        end = self.pixel_offset + self.pixel_length
        if end >= self.size:
            return 0
        rest = self.read(end)
        known = not rest.strip(b"\0 ") or _are_elements(rest, self.syntax)
        return 0 if known else self.size - end


def _are_elements(data, syntax):
    """Whether bytes are elements of a data set that may follow the pixels, up to their end."""
    implicit = syntax == ImplicitVRLittleEndian
    try:
        found = list(read_dataset(BytesIO(data), implicit, syntax != BIG_ENDIAN).elements())
        ends = [e.value_tell + e.length for e in found if isinstance(e, RawDataElement)]
        named = implicit or all(e.VR.isalpha() and e.VR.isupper() for e in found)
        after = min(int(element.tag) for element in found) > PIXEL_DATA
    except Exception:  # pydicom may raise nearly anything on what are no elements
        return False
    return after and named and max(ends, default=0) <= len(data)


class _Bounded(BytesIO):
    """Bytes read in MOST_READS pieces at most: pydicom counts no elements of the file meta."""

    reads = 0

    def read(self, size=-1, /):
        self.reads += 1
        if self.reads > MOST_READS:
            raise ValueError("too many elements")
        return super().read(size)


def read_header(path: Path, name: str) -> Source | None:
    """Header of one file as a Source; None if the file is not DICOM at all.

    Raises InputError for a file that cannot be opened, or is DICOM but cannot be parsed.
    """
    advice = "Give read permission or fetch the file again"
    with refused(f"{name} cannot be read", advice, OSError):
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
            return None
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            block = file.read(HEADER_BLOCK)
            marked = block[128:132] == b"DICM"
            bare = block.startswith(GROUPS) and block[3:4] == b"\0" and len(block) >= 8
            if not marked and not bare:
                return None
            if size > LARGEST_FILE:
                raise InputError(f"{name} is {size / 1e9:.1f} GB long; no CT series is so large")
            source = _parse(path, name, block, size) if size > len(block) else None
            if source is None:  # the header is longer than the block, or the block is all
                source = _parse(path, name, block + file.read(), size, whole=True)
    if source is not None and not marked and not (source.facts.sop_class or source.facts.modality):
        return None
    if source is None and marked:
        raise InputError(f"{name} is DICOM but its header cannot be parsed. Fetch the file again")
    return source


def _parse(path, name, data, size, whole=False):
    """Source from the first bytes of a file; None if they do not suffice or do not parse."""
    inflated = None
    if DeflatedExplicitVRLittleEndian.encode() in data:
        if not whole:
            return None
        inflated = _inflate(data, name)
    content = data if inflated is None else inflated
    if content.count(ITEM) > MOST_ITEMS:  # each takes pydicom a tenth of a millisecond
        raise refusal("items", name, MOST_ITEMS)
    try:
        dataset, syntax, found = _until_pixels(content, inflated is not None)
    except Exception:  # pydicom may raise nearly anything on hostile bytes
        return None
    if not found and not whole:
        return None
    bare = not syntax or data[128:132] != b"DICM"
    syntax = syntax or _guessed_syntax(dataset)
    size = size if inflated is None else len(inflated)
    found["inflated"] = inflated
    return Source(path, name, dataset, _facts(dataset), syntax, bare, size, **found)


def _until_pixels(content, deflated):
    """Data set before the pixels, its transfer syntax, and where pixels begin (a dict, or {})."""
    found, seen = {}, itertools.count(1)
    buffer = BytesIO(content) if len(content) <= HEADER_BLOCK else _Bounded(content)

    def at_pixels(tag, vr, length):
        if next(seen) > MOST_ELEMENTS:
            raise ValueError("too many elements")
        if tag not in PIXEL_TAGS:
            return False
        found.update(pixel_tag=int(tag), pixel_offset=buffer.tell(), pixel_length=length)
        return True

    if deflated:
        dataset = read_dataset(buffer, False, True, stop_when=at_pixels)
        return dataset, str(DeflatedExplicitVRLittleEndian), found
    dataset = read_partial(buffer, at_pixels, force=True)
    return dataset, text(dataset.file_meta, "TransferSyntaxUID"), found


def _facts(dataset):
    """The facts of a header."""
    facts = Facts(*(text(dataset, keyword) for keyword in KEYWORDS))
    for name, known in CODES.items():
        if not re.fullmatch(known, getattr(facts, name)):
            facts = facts._replace(**{name: "unknown"})
    meta = getattr(dataset, "file_meta", Dataset())
    return facts._replace(sop_class=facts.sop_class or text(meta, "MediaStorageSOPClassUID"))


def _inflate(data, name):
    """The data set of a deflated file (PS3.5 A.5), never longer than LARGEST_INFLATED."""
    end = 144 + struct.unpack_from("<I", data, 140)[0] if len(data) >= 144 else 0
    if data[132:136] != b"\x02\0\0\0" or DeflatedExplicitVRLittleEndian.encode() not in data[:end]:
        raise InputError(f"{name} is deflated but its file meta is damaged. Fetch the file again")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data[end:], LARGEST_INFLATED)
    except zlib.error:
        raise InputError(f"{name} cannot be inflated: damaged. Fetch the file again") from None
    if len(inflated) == LARGEST_INFLATED:
        raise refusal("inflated", name, LARGEST_INFLATED >> 20)
    if not inflater.eof:
        raise InputError(f"{name} is truncated: its deflated data end early. Fetch the file again")
    return inflated


def _guessed_syntax(dataset):
    """Transfer syntax of a file without file meta, from how its elements parsed."""
    implicit, little = dataset.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return "1.2.840.10008.1.2.1" if little else BIG_ENDIAN
