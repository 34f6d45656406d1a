"""DICOM SEGs for tests: a small series, a mask of it, and a written SEG that was changed."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from dicom_factory import write_series

from utils.dicom.reader import read_series
from utils.masks.seg_writer import write_seg

SHAPE = (5, 12, 10)


def loaded(tmp_path, edit=None, **options):
    size = {"rows": SHAPE[1], "cols": SHAPE[2], **options}
    write_series(tmp_path / "images", edit=edit, **size)
    return read_series(tmp_path / "images")


def lopsided(volume, labels=1):
    """A mask without any symmetry, and with empty slices at both ends."""
    mask = np.random.default_rng(3).integers(0, labels + 1, volume.hu.shape).astype(np.uint8)
    mask[0], mask[-1] = 0, 0
    return mask


def conformance_errors(file, kind="Segmentation"):
    """What dciodvfy finds wrong with an object of that kind."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian: apt-get install dicom3tools)")
    done = subprocess.run([program, "-new", str(file)], capture_output=True, text=True, timeout=60)
    output = (done.stdout + done.stderr).splitlines()
    assert any(kind in line for line in output), output
    return [line for line in output if line.startswith("Error")]


def edited(tmp_path, volume, edit, syntax=None):
    """A written SEG, changed afterwards."""
    file = tmp_path / "seg.dcm"
    write_seg(lopsided(volume), volume, file)
    dataset = pydicom.dcmread(file)
    edit(dataset)
    if syntax:
        list(dataset.iterall())  # decodes what would otherwise be copied in the old syntax
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.set_original_encoding(syntax.is_implicit_VR, True)
    dataset.save_as(file)
    return file
