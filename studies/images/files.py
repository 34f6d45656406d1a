"""One PNG or TIFF file as an array, its numbers as they were written, or a clear error."""

import struct
import warnings
import zlib

import numpy as np
from PIL import Image, UnidentifiedImageError

from utils.errors import InputError

SUFFIXES = (".png", ".tif", ".tiff")
MOST_PIXELS = 100_000_000  # a header that promises more is damaged or hostile
PHOTOMETRIC = 262  # TIFF tag; its value 0 says that white is zero
BITS, SAMPLE_FORMAT = 258, 339  # TIFF tags; the latter 1 is unsigned, 2 signed, 3 floating point
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types (11.2.2)


def read_grey(file):
    """The only grey picture in a PNG or TIFF file.

    Returns bool, uint8, uint16, int32 or float32 [rows, cols], the values as stored: 16 bits stay
    16 bits, and the two or four bits of a small label map are not stretched to eight. A palette
    or a colour picture whose channels are equal everywhere is taken as the grey it shows.
    Raises InputError for anything else: real colours, transparency, several pages, 16-bit
    colour (Pillow would drop half of its bits without a word), damage, another format.
    """
    if not file.is_file():  # opening a pipe would wait for ever
        raise InputError(f"{file.name} is no file. Remove it, or save the picture again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tags; whether pixels are whole, decoding tells
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=("PNG", "TIFF")) as picture:
                _refuse_ambiguity(file, picture)
                if picture.format == "PNG":
                    _check_whole(file, picture)
                return _as_stored(file, picture, _grey(file, picture))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{file.name} is neither a PNG nor a TIFF picture inside") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{file.name} claims more than {MOST_PIXELS:,} pixels") from None
    except PermissionError:
        raise InputError(f"{file.name} may not be read (its permissions forbid it)") from None
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise InputError(f"{file.name} is damaged ({error})") from None


def _refuse_ambiguity(file, picture):
    """InputError for pictures that hold more than one grey plane, or hide what they hold."""
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(f"{file.name} claims more than {MOST_PIXELS:,} pixels")
    pages = getattr(picture, "n_frames", 1)
    if pages != 1:
        raise InputError(f"{file.name} holds {pages} pages, expected one; save each by itself")
    if picture.format == "PNG" and png_bits(file) == 16 and picture.mode not in ("I;16", "I"):
        raise InputError(f"{file.name} has 16-bit colours or transparency, expected 16-bit grey")
    deep = picture.format == "TIFF" and picture.mode.startswith("I;16")
    if deep and picture.tag_v2.get(PHOTOMETRIC) == 0:
        raise InputError(f"{file.name} is stored with white as zero; invert it and save again")


def _check_whole(file, picture):
    """InputError for a PNG whose data end before its last row: Pillow would fill it with black."""
    data, at, packed = file.read_bytes(), 8, []
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        packed += [data[at + 8 : at + 8 + length]] * (kind == b"IDAT")
        at += 12 + length
    least = picture.height * (picture.width * data[24] * CHANNELS[data[25]] + 7) // 8
    inflater = zlib.decompressobj()
    held = len(inflater.decompress(b"".join(packed), 3 * (least + picture.height) + 64))
    if held < least or not inflater.eof:
        raise InputError(f"{file.name} is damaged (its data end early, or go on too long)")


def _as_stored(file, picture, plane):
    """The plane with the signs that its TIFF states; InputError for numbers that it cannot hold."""
    tags = picture.tag_v2 if picture.format == "TIFF" else {}
    bits, form = (tags.get(key, (1,)) for key in (BITS, SAMPLE_FORMAT))
    if (bits[0], form[0]) == (8, 2):
        return plane.view(np.int8).astype(np.int32)
    if (bits[0], form[0]) == (32, 1) and plane.min() < 0:
        raise InputError(f"{file.name} holds values above {2**31 - 1:,}, expected 8 or 16 bits")
    if not np.isfinite(plane).all():
        raise InputError(f"{file.name} holds values that are no numbers (NaN or infinite)")
    return plane


def _grey(file, picture):
    """The picture's one grey plane."""
    if picture.mode in ("1", "L", "I", "I;16", "I;16B", "F"):
        plane = np.array(picture)
        if plane.dtype.kind == "u" and plane.dtype.itemsize == 2:
            plane = plane.astype(np.uint16)  # in this machine's byte order
        bits = png_bits(file) if picture.format == "PNG" else 8
        if picture.mode == "L" and bits in (2, 4):
            plane //= 255 // (2**bits - 1)  # Pillow has stretched them
        return plane
    if picture.mode not in ("P", "PA", "RGB", "RGBA", "LA"):
        raise InputError(f"{file.name} is of the kind {picture.mode}, expected grey")
    red, green, blue, opacity = np.moveaxis(np.array(picture.convert("RGBA")), -1, 0)
    if opacity.min() < 255:
        raise InputError(f"{file.name} is partly transparent, expected plain grey")
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise InputError(f"{file.name} is in colour, expected grey")
    return red


def png_bits(file):
    """Bits of a channel as a PNG's first chunk states them (PNG specification, 11.2.2)."""
    with open(file, "rb") as stream:
        return stream.read(25)[24]
