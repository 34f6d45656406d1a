"""DICOM SEGs for tests: a small series, a mask of it, and a written SEG that was changed."""

import shutil
import subprocess

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_factory import write_series
from pydicom.sr.coding import Code

from utils.dicom.reader import read_series
from utils.masks.seg_writer import write_seg

SHAPE = (5, 12, 10)
ORGAN = Code("123037004", "SCT", "Anatomical Structure")


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


def by_highdicom(tmp_path, volume, voxels, segments, kind="BINARY", **options):
    """SEG by highdicom; segments : list of (label, type code) or (label, type code, category)."""
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_type=code,
            segmented_property_category=category[0] if category else ORGAN,
            algorithm_type="MANUAL",
        )
        for number, (label, code, *category) in enumerate(segments, 1)
    ]
    sources = [pydicom.dcmread(file) for file in volume.files]
    for source in sources:
        for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
            setattr(source, keyword, None)
        source.StudyDate = source.StudyTime = None
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=voxels,
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=9,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="Another",
        manufacturer_model_name="writer",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    seg.save_as(tmp_path / "seg.dcm")
    return tmp_path / "seg.dcm"
