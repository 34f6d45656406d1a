"""Compressed pixel data (RLE, JPEG, JPEG-LS, JPEG 2000) into stored values.

A codestream states its own size and bits. They are held against the header, the size before any
decoder sees it: a damaged or hostile one can neither ask for gigabytes nor end early in silence.
"""

import struct
import tempfile
from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder

from utils.dicom.values import library_silenced
from utils.errors import InputError, refused

# no package of pydicom's decodes these
BY_SIMPLEITK = {uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1}
MINUS_2000 = 63536  # -2000 read as unsigned: the padding of several scanners
HTJ2K = {f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)}


def decode_frames(data, syntax, coding):
    """Yield the frames of encapsulated pixel data as int16 [rows, cols], the 16 stored bits.

    data : bytes from the first item on. coding : `frames.Coding`. Raises InputError for
    what no installed package decodes (naming the package), is truncated or contradicts the header.
    """
    syntax = uid.UID(syntax)
    decoder = None if syntax in BY_SIMPLEITK else _decoder(syntax)
    with library_silenced():
        for encoded in _split(data, coding.frames):
            precision, signed = _check_codestream(encoded, syntax, coding)
            pixels = _decode(decoder, encoded, syntax, coding, precision, signed)
            if syntax != uid.RLELossless:
                pixels = _as_stored(pixels, coding, precision, signed)
            yield pixels.astype(np.int16, copy=False)


def _as_stored(pixels, coding, precision, signed):
    """Stored bits from the numbers that a codestream of `precision` bits holds.

    Only a stream of as many bits as are stored, or allocated, can hold two's complements as
    unsigned numbers; the numbers of any other are what they are. Raises InputError for such as
    the header's bits cannot hold: stream and header then contradict each other.
    """
    values = pixels.astype(np.int32)
    if coding.signed and not signed and precision in (coding.stored, 16):
        sign = 1 << (precision - 1)
        values = (values ^ sign) - sign
    low = -(1 << (coding.stored - 1)) if coding.signed else 0
    beyond = (values < low) | (values >= low + (1 << coding.stored))
    if beyond.any():
        first, last = sorted(v & 0xFFFF for v in coding.padding or (MINUS_2000, MINUS_2000))
        beyond &= ((values & 0xFFFF) < first) | ((values & 0xFFFF) > last)
    if beyond.any() or coding.high_bit != coding.stored - 1:
        raise InputError(
            f"its compressed data hold {precision}-bit values of {values.min()} to {values.max()} "
            f"where the header says {coding.stored} bits, {'' if coding.signed else 'un'}signed, "
            f"up to bit {coding.high_bit}. Have the archive send the series uncompressed"
        )
    return values


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


def _decode(decoder, encoded, syntax, coding, precision, signed):
    """Numbers of one compressed frame [rows, cols], as its codestream holds them."""
    # Pillow decodes JPEG 2000 as well, but not signed pixels
    plugin = "pylibjpeg" if decoder and "pylibjpeg" in decoder.available_plugins else ""
    with refused(f"{syntax.name} cannot be decoded", "Fetch the file again"):
        if decoder is None:
            pixels = _by_simpleitk(encoded, syntax, coding, precision)
        else:
            pixels, _ = decoder.as_array(
                encapsulate([encoded]),
                raw=True,
                decoding_plugin=plugin,
                transfer_syntax_uid=syntax,
                number_of_frames=1,
                pixel_keyword="PixelData",
                rows=coding.rows,
                columns=coding.cols,
                samples_per_pixel=1,
                photometric_interpretation="MONOCHROME2",
                bits_allocated=coding.allocated,
                bits_stored=precision,
                pixel_representation=int(signed),
            )
    if pixels.shape != (coding.rows, coding.cols) or pixels.dtype.itemsize > 2:
        raise InputError(
            f"decoded to {pixels.shape} {pixels.dtype} where the header says {coding.rows} x "
            f"{coding.cols} of {coding.allocated} bits. Fetch the file again"
        )
    return pixels


def _by_simpleitk(encoded, syntax, coding, precision):
    """Numbers of one frame of JPEG, 12 bits or lossless, which SimpleITK reads from a file."""
    import SimpleITK  # half a second, and few series need it

    dataset, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = coding.rows, coding.cols, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated = 8 if precision <= 8 else 16
    dataset.BitsStored, dataset.HighBit = precision, precision - 1
    dataset.PixelData, dataset.file_meta = encapsulate([encoded]), meta
    dataset["PixelData"].VR = "OB"
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.dcm")
        dataset.save_as(path, enforce_file_format=True)
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    return SimpleITK.GetArrayFromImage(image)[0]


def _check_codestream(encoded, syntax, coding):
    """Bits of a frame's values and whether they are signed; refused if it ends early or is of
    another size than the header's."""
    if syntax == uid.RLELossless:
        longest = 2 * coding.rows * coding.cols * max(8, coding.allocated) // 8 + 64
        if len(encoded) > longest + 2 * coding.rows:
            raise InputError("its RLE data are longer than the image. Fetch the file again")
        return coding.stored, coding.signed
    jpeg2000 = syntax in uid.JPEG2000TransferSyntaxes or syntax in HTJ2K
    found = _jpeg2000_form(encoded) if jpeg2000 else _jpeg_form(encoded)
    if found is None or found[:3] != (coding.rows, coding.cols, 1):
        stated = "{} x {} pixels with {} component(s)".format(*found) if found else "no image size"
        raise InputError(
            f"its compressed data state {stated} where the header says {coding.rows} x "
            f"{coding.cols}. Fetch the file again"
        )
    # a marker cannot occur within compressed data; writers pad to an even length with 0 or 255
    if not encoded.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise InputError(
            "truncated pixel data: the compressed image has no end marker. Fetch the file again"
        )
    if not 1 <= found[3] <= 16:
        raise InputError(f"its compressed data have {found[3]} bits a pixel. Export again")
    return found[3:]


def _jpeg2000_form(encoded):
    """(rows, columns, components, bits, signed) of JPEG 2000 (ISO 15444-1 A.5.1), or None."""
    start = encoded.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(encoded) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", encoded, start + 8)
    components, depth = struct.unpack_from(">HB", encoded, start + 40)
    return bottom - top, right - left, components, (depth & 0x7F) + 1, depth > 0x7F


def _jpeg_form(encoded):
    """The same of JPEG or JPEG-LS (ISO 10918-1 B.2.2, ISO 14495-1 C.2.2), never signed."""
    at = 2
    while at + 10 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            bits, rows, cols, components = struct.unpack_from(">BHHB", encoded, at + 4)
            return rows, cols, components, bits, False
        else:
            at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None
