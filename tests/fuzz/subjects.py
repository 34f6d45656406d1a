"""What is fuzzed: valid files, how they may be damaged, and what a reader may make of them."""

import sys
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "builders"))  # pytest does the same
from dicom_factory import enhanced_ct, save, write_series
from itk_builders import compress_losslessly, convert
from pydicom.sr.coding import Code
from rtstruct_factory import contour, in_mm, with_undefined_lengths, write_rtstruct
from seg_builders import by_highdicom

from tests.fuzz.mutations import DICOM, GENERAL, IMAGE, NPZ, ZIP
from utils.dicom.reader import read_series
from utils.masks.npz import load_mask
from utils.masks.rtstruct import read_rtstruct
from utils.masks.seg_reader import read_seg
from utils.masks.seg_writer import write_seg

SLICES, SIDE = 3, 32
SYNTAXES = (
    ExplicitVRLittleEndian,  # twice as often: what most archives send
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
)
SAFE = ("truncated", "bits_flipped", "piece_repeated", "tail_random")  # of checksummed files


@dataclass
class Series:
    """Slices of a series, of which one is damaged, as `read_series` sees them."""

    name: ClassVar = "slice"
    files: dict  # name -> bytes
    expected: np.ndarray  # HU of the valid series

    def mutations(self, data):
        # of a deflated file the elements do not show
        return GENERAL if DeflatedExplicitVRLittleEndian.encode() in data else DICOM

    def read(self, folder, damaged, mutation):
        volume = read_series(folder)
        assert volume.hu.dtype == np.int16 and np.isfinite(volume.affine).all()
        if volume.hu.shape[0] == SLICES:
            same = np.array_equal(volume.hu, self.expected)
            return "whole volume" if same else "other values"
        assert volume.notes, f"{volume.hu.shape[0]} slices and not a word"
        return "fewer slices, noted"


@dataclass
class Image:
    """One file that holds a whole volume: NIfTI, NRRD, MetaImage, or a zip of DICOM."""

    name: str
    files: dict
    ways: tuple

    def mutations(self, data):
        return self.ways

    def read(self, folder, damaged, mutation):
        volume = read_series(folder / damaged)
        assert volume.hu.dtype == np.int16 and np.isfinite(volume.affine).all()
        return "a volume"


@dataclass
class Mask:
    """One file that `read(path)` makes a mask of, and the mask of the valid file."""

    name: str
    files: dict
    reader: callable
    expected: np.ndarray
    ways: tuple
    exact: tuple  # mutations after which a mask, if any, must be the expected one

    def mutations(self, data):
        return self.ways

    def read(self, folder, damaged, mutation):
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            mask = self.reader(folder / damaged)
        assert mask.dtype == np.uint8 and mask.ndim == 3 and mask.max() <= 1
        if np.array_equal(mask, self.expected):
            return "whole mask"
        assert mutation not in self.exact, "another mask and not a word"
        return "another mask, noted" if notes else "another mask"


def subjects(folder):
    """All subjects, their valid files made in `folder`."""
    series = []
    for number, syntax in enumerate(SYNTAXES):
        write_series(folder / str(number), SLICES, None, syntax, rows=SIDE, cols=SIDE)
        series.append(_series_subject(folder / str(number)))
    save(enhanced_ct(SLICES, SIDE, SIDE), folder / "enhanced" / "all.dcm")
    series.append(_series_subject(folder / "enhanced"))
    for path in write_series(folder / "jpeg", SLICES, rows=SIDE, cols=SIDE):
        compress_losslessly(path)
    series.append(_series_subject(folder / "jpeg"))
    volume = read_series(folder / "0")
    masks = [*_structure_sets(folder, volume), *_segs(folder, volume), *_npz(folder)]
    return [*series, *masks, *_images(folder)]


def _series_subject(folder):
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return Series(files, read_series(folder).hu)


def _structure_sets(folder, volume):
    """RTSTRUCTs of two lungs: implicit, explicit, and with sequences of undefined length."""

    row, col = np.array([(4.3, 3.2), (4.3, 11.7), (25.6, 12.1), (24.9, 3.9)]).T
    smaller = (row * 0.5 + 7, col * 0.5 + 4)  # a hole
    beside = (row + 2, col + 2)  # overlaps
    centres = (np.array([5, 5, 25, 25]), np.array([3, 11, 11, 3]))
    for outlines, edit, syntax in (
        ([(row, col)], None, ImplicitVRLittleEndian),
        ([(row, col), smaller, beside], None, ExplicitVRLittleEndian),
        ([(row, col)], with_undefined_lengths, ExplicitVRLittleEndian),
        ([centres], None, ExplicitVRLittleEndian),
    ):
        lungs = []
        for name, start in (("Lung_L", 18), ("Lung_R", 0)):
            index = [
                np.column_stack([0 * rows + k, rows, cols + start])
                for k in range(SLICES)
                for rows, cols in outlines
            ]
            lungs.append((name, [contour(in_mm(volume, part)) for part in index]))
        path = write_rtstruct(folder / "rt.dcm", lungs, edit, syntax)
        yield _mask_subject("RTSTRUCT", path, lambda p: read_rtstruct(p, volume), DICOM)


def _segs(folder, volume):
    """Ours, and others' label maps and shares, plain and compressed."""
    labels = np.random.default_rng(1).integers(0, 3, volume.hu.shape).astype(np.uint8)
    write_seg(labels, volume, folder / "seg.dcm", ("right", "left"))
    yield _mask_subject("SEG", folder / "seg.dcm", lambda p: read_seg(p, volume), DICOM)
    lungs = [(name, Code(code, "SCT", name)) for name, code in
             (("Right lung", "3341006"), ("Left lung", "44029006"))]  # fmt: skip
    for kind, voxels, syntax in (
        ("LABELMAP", labels, ExplicitVRLittleEndian),
        ("LABELMAP", labels, RLELossless),
        ("FRACTIONAL", np.stack([labels == 1, labels == 2], -1).astype(float), RLELossless),
        ("FRACTIONAL", np.stack([labels == 1, labels == 2], -1).astype(float), JPEGLSLossless),
    ):
        file = by_highdicom(folder, volume, voxels, lungs, kind, transfer_syntax_uid=syntax)
        yield _mask_subject("SEG", file, lambda p: read_seg(p, volume), DICOM)


def _images(folder):
    """A series converted by SimpleITK, and the same in a zip."""
    for ending in (".nii", ".nii.gz", ".nrrd", ".mha"):
        file = convert(folder / "air", folder / f"scan{ending}", rows=SIDE, cols=SIDE)
        yield Image("image", {file.name: file.read_bytes()}, IMAGE)
    with zipfile.ZipFile(folder / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (folder / "air").iterdir():
            archive.write(path, path.name)
    yield Image("zip", {"scan.zip": (folder / "scan.zip").read_bytes()}, ZIP)


def _npz(folder):
    masks = np.random.default_rng(2).integers(0, 2, (SLICES, SIDE, SIDE), np.uint8)
    for save_as, array in (
        (np.savez_compressed, masks),
        (np.savez, masks.astype(float)),
        (np.savez_compressed, np.asfortranarray(masks > 0)),
    ):
        save_as(folder / "mask.npz", masks=array)
        yield _mask_subject("npz", folder / "mask.npz", load_mask, NPZ)


def _mask_subject(name, path, reader, ways):
    exact = SAFE if name == "npz" else ("truncated",)
    return Mask(name, {path.name: path.read_bytes()}, reader, reader(path), ways, exact)
