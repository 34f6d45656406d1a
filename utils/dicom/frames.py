"""One CT slice as its header describes it: place, size, coding and rescale."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from utils.dicom.header import Source
from utils.dicom.values import integer, items, number, numbers
from utils.errors import InputError, about, refusals

LARGEST_SIDE = 4096  # pixels; CT matrices are 256 to 2048
MOST_SLICES = 4000
refusal = refusals(__file__)


@dataclass(frozen=True)
class Coding:
    """How stored pixels are coded (PS3.3 C.7.6.3): sizes in bits, padding as raw 16-bit value."""

    rows: int
    cols: int
    frames: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    padding: tuple[int, int] | None  # (PixelPaddingValue, PixelPaddingRangeLimit)

    @property
    def length(self):
        """Bytes of one frame without compression."""
        return self.rows * self.cols * self.allocated // 8


@dataclass(eq=False)
class Frame:
    """One slice: a file, or one frame of a multi-frame file."""

    source: Source
    coding: Coding
    index: int  # frame within the file
    uid: str
    position: tuple[float, ...] | None  # mm, LPS, centre of the first pixel
    orientation: tuple[float, ...] | None  # direction of a row, direction of a column
    pixel_spacing: tuple[float, float]  # mm between rows, between columns
    location: float | None  # SliceLocation, mm
    thickness: float | None  # mm
    slope: float
    intercept: float
    places: list[Dataset]  # data sets that speak of it, the most specific first

    @property
    def name(self):
        """File name, with the frame's number where the file has several."""
        many = f" frame {self.index + 1}" if self.coding.frames > 1 else ""
        return self.source.name + many

    def stated(self, keyword: str) -> float | None:
        """A number that only notes need, and that may therefore be wrong: then None."""
        try:
            return _first(self.places, keyword)
        except InputError:
            return None


def frames_of(source: Source) -> list[Frame]:
    """Frames of one file, in stored order. Raises InputError naming the file."""
    with about(source.name, end=""):
        coding = _coding(source)
        if coding.frames == 1 and "PerFrameFunctionalGroupsSequence" not in source.dataset:
            return [_frame(source, coding, 0, [source.dataset])]
        return _functional_groups(source, coding)


def _functional_groups(source, coding):
    """Frames of an enhanced multi-frame file (PS3.3 C.7.6.16): each group's own items first."""
    shared = _macros(items(source.dataset, "SharedFunctionalGroupsSequence"))
    per_frame = items(source.dataset, "PerFrameFunctionalGroupsSequence")
    if len(per_frame) != coding.frames:
        raise refusal("groups", coding.frames, len(per_frame))
    return [
        _frame(source, coding, index, [*_macros([group]), *shared, source.dataset])
        for index, group in enumerate(per_frame)
    ]


def _macros(groups):
    """Items of the macros that say where a frame lies, what it shows and in which unit."""
    keywords = """PlanePositionSequence PlaneOrientationSequence PixelMeasuresSequence
        PixelValueTransformationSequence FrameContentSequence CTImageFrameTypeSequence
        CTReconstructionSequence CTXRayDetailsSequence""".split()
    return [item for group in groups for keyword in keywords for item in items(group, keyword)]


def _frame(source, coding, index, places):
    """Frame whose elements are looked up in `places`, the most specific data set first."""
    spacing = _first(places, "PixelSpacing", 2)
    if spacing is None or not all(0.01 <= side <= 100 for side in spacing):
        raise refusal("no_spacing", spacing or "missing")
    slope, intercept = _first(places, "RescaleSlope"), _first(places, "RescaleIntercept")
    if slope is None or intercept is None:
        raise refusal("no_rescale")
    if slope == 0:
        raise InputError("RescaleSlope is 0, expected a factor such as 1. Export again")
    position = _first(places, "ImagePositionPatient", 3)
    orientation = _first(places, "ImageOrientationPatient", 6)
    location, thickness = _first(places, "SliceLocation"), _first(places, "SliceThickness")
    place = (position, orientation, spacing, location, thickness)
    return Frame(source, coding, index, source.facts.instance_uid, *place, slope, intercept, places)


def _first(places, keyword, count=1):
    """Numbers of the first data set that holds the element (one alone as it is), or None."""
    found = next((n for p in places if (n := numbers(p, keyword, count)) is not None), None)
    return found[0] if found and count == 1 else found


def _coding(source):
    """Coding of the pixels of one file; InputError for anything but grey CT pixels."""
    dataset = source.dataset
    samples = integer(dataset, "SamplesPerPixel", 1)
    photometric = source.facts.photometric
    if samples != 1 or photometric != "MONOCHROME2":
        raise refusal("no_grey", photometric or "missing", samples)
    rows, cols = integer(dataset, "Rows", 0), integer(dataset, "Columns", 0)
    frames = integer(dataset, "NumberOfFrames", 1)
    if not (1 <= rows <= LARGEST_SIDE and 1 <= cols <= LARGEST_SIDE and 1 <= frames <= MOST_SLICES):
        raise refusal("no_size", frames, rows, cols, LARGEST_SIDE, MOST_SLICES)
    allocated = integer(dataset, "BitsAllocated", 0)
    stored = integer(dataset, "BitsStored", allocated)
    high_bit = integer(dataset, "HighBit", stored - 1)
    if allocated not in (8, 16) or not 1 <= stored <= high_bit + 1 <= allocated:
        raise refusal("bits", allocated, stored, high_bit)
    sign = integer(dataset, "PixelRepresentation")
    if sign not in (0, 1):
        raise refusal("sign", sign or "missing")
    return Coding(rows, cols, frames, allocated, stored, high_bit, sign == 1, _padding(dataset))


def _padding(dataset):
    """(lowest, highest) padding value as stored in 16 bits, or None."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    return int(value), int(value if limit is None else limit)
