"""Compressed pixel data (RLE, JPEG, JPEG-LS, JPEG 2000) into stored values.

A codestream states its own size. It is held against the header before any decoder sees it, so
that a damaged or hostile one can neither ask for gigabytes nor end early without a word.
"""

import struct

import numpy as np
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGExtended12Bit, RLELossless

from utils.dicom.values import library_silenced
from utils.errors import InputError

HTJ2K = {f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)}


def decode_frames(data, syntax, coding):
    """Yield the frames of encapsulated pixel data as int16 [rows, cols], the 16 stored bits.

    data : bytes from the first item on. coding : `frames.Coding`. Raises InputError for
    what no installed package decodes (naming the package), is truncated or contradicts the header.
    """
    syntax = UID(syntax)
    decoder = _decoder(syntax)
    with library_silenced():
        for encoded in _split(data, coding.frames):
            _check_codestream(encoded, syntax, coding)
            yield _decode(decoder, encoded, syntax, coding)


def _decoder(syntax):
    """pydicom's decoder for a compressed syntax, if its package is installed."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise InputError(
            f"transfer syntax {syntax.name or 'missing'} is none that can be decoded. "
            "Have the archive send the series uncompressed"
        ) from None
    if not decoder.is_available:
        needs = "; or ".join(decoder.missing_dependencies)
        raise InputError(
            f"compressed as {syntax.name}, which no installed package decodes ({needs}). "
            "Install one of these, or have the archive send the series uncompressed"
        )
    return decoder


def _split(data, count):
    """The compressed frames, as many as the header says."""
    try:
        encoded = list(generate_frames(data, number_of_frames=count))
    except Exception:  # pydicom may raise nearly anything on damaged fragments
        encoded = []
    if len(encoded) != count:
        raise InputError(
            f"truncated pixel data: {len(encoded)} compressed frames where the header says {count}"
            ". Fetch the file again"
        )
    return encoded


def _decode(decoder, encoded, syntax, coding):
    """Stored bits of one compressed frame as int16 [rows, cols]."""
    # Pillow decodes JPEG 2000 as well, but not signed pixels
    plugin = "pylibjpeg" if "pylibjpeg" in decoder.available_plugins else ""
    try:
        pixels, _ = decoder.as_array(
            encapsulate([encoded]),
            raw=True,
            decoding_plugin=plugin,
            transfer_syntax_uid=syntax,
            rows=coding.rows,
            columns=coding.cols,
            number_of_frames=1,
            samples_per_pixel=1,
            photometric_interpretation="MONOCHROME2",
            bits_allocated=coding.allocated,
            bits_stored=coding.stored,
            pixel_representation=int(coding.signed),
            pixel_keyword="PixelData",
        )
    except Exception as error:  # decoders may raise nearly anything on damaged bytes
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip()[:120]
        # Pillow is asked for 8-bit extended JPEG and cannot decode the 12 bits of a CT
        hint = "Install pylibjpeg-libjpeg or fetch" if syntax == JPEGExtended12Bit else "Fetch"
        raise InputError(
            f"{syntax.name} cannot be decoded ({reason}). {hint} the file again"
        ) from None
    if pixels.shape != (coding.rows, coding.cols) or pixels.dtype.itemsize > 2:
        raise InputError(
            f"decoded to {pixels.shape} {pixels.dtype} where the header says {coding.rows} x "
            f"{coding.cols} of {coding.allocated} bits. Fetch the file again"
        )
    return pixels.astype(np.int16, copy=False)


def _check_codestream(encoded, syntax, coding):
    """Refuse a frame that ends early or is not of the header's size."""
    if syntax == RLELossless:
        longest = 2 * coding.rows * coding.cols * coding.allocated // 8 + 64
        if len(encoded) > longest + 2 * coding.rows:
            raise InputError("its RLE data are longer than the image. Fetch the file again")
        return
    size = (
        _jpeg2000_size(encoded)
        if syntax in JPEG2000TransferSyntaxes or syntax in HTJ2K
        else _jpeg_size(encoded)
    )
    if size != (coding.rows, coding.cols, 1):
        found = (
            "no image size" if size is None else "{} x {} pixels with {} component(s)".format(*size)
        )
        raise InputError(
            f"its compressed data state {found} where the header says {coding.rows} x "
            f"{coding.cols}. Fetch the file again"
        )
    # a marker cannot occur within compressed data; writers pad to an even length with 0 or 255
    if not encoded.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise InputError(
            "truncated pixel data: the compressed image has no end marker. Fetch the file again"
        )


def _jpeg2000_size(encoded):
    """(rows, columns, components) of a JPEG 2000 codestream (ISO 15444-1 A.5.1), or None."""
    start = encoded.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(encoded) < start + 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", encoded, start + 8)
    (components,) = struct.unpack_from(">H", encoded, start + 40)
    return bottom - top, right - left, components


def _jpeg_size(encoded):
    """(rows, columns, components) of a JPEG or JPEG-LS codestream (ISO 10918-1 B.2.2), or None."""
    at = 2
    while at + 10 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return struct.unpack_from(">HHB", encoded, at + 5)
        else:
            at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None
