"""Masks in npz files: what is accepted, what is refused, nothing unpickled."""

import zipfile

import numpy as np
import pytest

from utils.cases import load_masks
from utils.errors import InputError
from utils.masks.npz import load_mask

MASK = np.zeros((3, 4, 5), np.uint8)
MASK[1, 2:, 1:4] = 1


def saved(tmp_path, **arrays):
    file = tmp_path / "Case_000_seg.npz"
    np.savez_compressed(file, **arrays)
    return file


@pytest.mark.parametrize("masks", [MASK, MASK * 255, MASK > 0, MASK.astype(float), MASK * 0])
def test_binary_masks_of_every_kind_become_the_same(tmp_path, masks):
    result = load_mask(saved(tmp_path, masks=masks))
    assert result.dtype == np.uint8
    assert np.array_equal(result, masks > 0)


@pytest.mark.parametrize(
    ("masks", "found"),
    [
        (MASK * 0.5, "values 0, 0.5"),
        (MASK + MASK[::-1] * np.uint8(2), "expected a binary mask"),
        (MASK * 7, "values 0, 7"),
        (MASK[0], r"shape \(4, 5\)"),
        (np.where(MASK, np.nan, 0.0), "expected a binary mask"),
        (MASK.astype(complex), "not of numbers"),
        (MASK.astype(str), "not of numbers"),
    ],
)
def test_other_masks_are_refused(tmp_path, masks, found):
    with pytest.raises(InputError, match=found):
        load_mask(saved(tmp_path, masks=masks))


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = np.empty(1, object)
    trap[0] = Trap()
    with pytest.raises(InputError, match="not of numbers; it was not opened"):
        load_mask(saved(tmp_path, masks=trap))
    assert not (tmp_path / "sprung").exists()


def test_a_file_without_masks_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no array `masks`"):
        load_mask(saved(tmp_path, mask=MASK))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not a zip at all"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    file = tmp_path / "Case_000_seg.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"Case_000_seg\.npz: this is not a readable npz"):
        load_mask(file)


def test_a_truncated_npz_is_refused(tmp_path):
    file = saved(tmp_path, masks=np.random.default_rng(0).integers(0, 2, (9, 64, 64)))
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(InputError, match="not a readable npz"):
        load_mask(file)


def test_a_header_that_promises_terabytes_is_refused(tmp_path):
    file = tmp_path / "Case_000_seg.npz"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 99999, 999), }"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "masks.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        )
    with pytest.raises(InputError, match="more than any scan has"):
        load_mask(file)


def npz_of(file, header, body=b"", method=zipfile.ZIP_DEFLATED, version=1):
    start = b"\x93NUMPY" + bytes([version, 0])
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("masks.npy", start + length + header + body)
    return file


HEADER = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5), }"


def test_an_archive_written_by_hand_is_read(tmp_path):
    body = bytes(range(2)) * 30
    for version in (1, 2):
        mask = load_mask(npz_of(tmp_path / "m.npz", HEADER, body, version=version))
        assert mask.ravel().tolist() == [0, 1] * 30


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"body": bytes(59)}, r"claims the shape \(3, 4, 5\) but holds another number of bytes"),
        ({"body": bytes(61)}, "holds another number of bytes"),
        ({"body": bytes(50_000_000)}, "holds another number of bytes"),  # a bomb of 50 kB
        ({"header": HEADER.replace(b"(3, 4, 5)", b"(0, 4, 5)")}, r"has shape \(0, 4, 5\)"),
        ({"header": HEADER.replace(b"(3, 4, 5)", b"(-3, 4, -5)")}, r"has shape \(-3, 4, -5\)"),
        ({"header": HEADER.replace(b"3, 4, 5", b"%d, 4, 4" % 2**62)}, "more than any scan has"),
        ({"header": HEADER.replace(b"'|u1'", b"'|V8'")}, "not of numbers"),
        ({"header": HEADER.replace(b"'|u1'", b"('|u1', (9, 9))")}, "not of numbers"),
        ({"header": b"(" * 900}, "not a readable npz"),
        ({"header": b"{'descr': __import__('os').abort(), }"}, "not a readable npz"),
        ({"version": 3}, r"npy version \(3, 0\)"),
        ({"version": 9}, r"npy version \(9, 0\)|not a readable npz"),
        ({"method": zipfile.ZIP_LZMA}, "not compressed as NumPy does"),
        ({"method": zipfile.ZIP_BZIP2}, "not compressed as NumPy does"),
    ],
)
def test_hostile_archives_are_refused(tmp_path, changes, found):
    given = {"header": HEADER, "body": bytes(60), **changes}
    file = npz_of(tmp_path / "Case_000_seg.npz", **given)
    with pytest.raises(InputError, match=rf"^Case_000_seg\.npz: .*({found})"):
        load_mask(file)


def test_an_encrypted_archive_is_refused(tmp_path):
    file = npz_of(tmp_path / "m.npz", HEADER, bytes(60))
    data = bytearray(file.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="encrypted"):
        load_mask(file)


def test_bits_that_fell_over_are_found_by_the_checksum(tmp_path):
    file = npz_of(tmp_path / "m.npz", HEADER, bytes(60), zipfile.ZIP_STORED)
    data = bytearray(file.read_bytes())
    data[data.index(HEADER) + len(HEADER) + 7] = 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="Bad CRC-32"):
        load_mask(file)


def test_a_mask_stored_column_by_column_is_read(tmp_path):
    random = np.random.default_rng(0).integers(0, 2, (3, 4, 5))
    stored = np.asfortranarray(random.astype(float))
    assert np.array_equal(load_mask(saved(tmp_path, masks=stored)), random)


@pytest.mark.parametrize("high", [(1, 255), (255, 1)])
def test_a_mask_whose_slices_hold_other_values_is_refused(tmp_path, high):
    masks = np.zeros((3, 4, 5), np.uint8)
    masks[0], masks[2] = high
    with pytest.raises(InputError, match=r"holds the values 0, 1, 255; expected a binary"):
        load_mask(saved(tmp_path, masks=masks))


def test_all_problems_of_a_data_set_are_told_at_once(tmp_path):
    (tmp_path / "Images").mkdir()
    with pytest.raises(InputError, match="no masks found"):
        load_masks(str(tmp_path))
    folder = tmp_path / "Segmentations"
    folder.mkdir()
    np.savez(folder / "Case_000_seg.npz", masks=MASK)
    assert list(load_masks(str(tmp_path))) == ["Case_000"]
    np.savez(folder / "Case_001_seg.npz", mask=MASK)
    np.savez(folder / "Case_002_seg.npz", masks=MASK * 3)
    with pytest.raises(InputError, match=r"(?s)Case_001_seg.*Case_002_seg"):
        load_masks(str(tmp_path))
