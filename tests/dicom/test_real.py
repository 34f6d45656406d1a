"""Real and broken series from scanners: loaded or refused for the right reason.

Runs where LUNG_REAL_DATA names the folder; SimpleITK, where it is installed, is a second reader.
"""

import functools

import numpy as np
import pytest

from utils.dicom.reader import read_series
from utils.errors import InputError

pytestmark = pytest.mark.real_data

LOADED = {
    "lctsc/Images/Case_000": ((130, 512, 512), (3.0, 0.976562, 0.976562)),
    "lctsc/Images/Case_001": ((152, 512, 512), (3.0, 0.976562, 0.976562)),
    "lctsc/Images/Case_002": ((117, 512, 512), (3.0, 0.976562, 0.976562)),  # JPEG-LS
    "lctsc/Images/Case_003": ((153, 512, 512), (3.0, 0.976562, 0.976562)),  # JPEG 2000
    "lung_pet_ct_dx/A0001": ((64, 512, 512), (5.0, 0.841797, 0.841797)),
    "lung_pet_ct_dx/A0002": ((30, 512, 512), (8.0, 0.646484, 0.646484)),
    "cip_ct64/ct-64Dicom": ((79, 64, 64), (3.987342, 4.171875, 4.171875)),
}
ODD = "oddities/transfer_syntaxes"
BASE = f"{ODD}/CTImage.dcm"
LOADED_FILES = [
    BASE,
    *(
        f"{BASE}_{name}.dcm"
        for name in (
            "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2",
            "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
            "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90",
            "JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91",
            "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80",
            "JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81",
            "JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50",
            "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51",
            "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57",
            "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
            "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1",
            "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2",
            "RLELosslessTransferSyntax_1.2.840.10008.1.2.5",
        )
    ),
    f"{ODD}/CT1_J2KR",
    f"{ODD}/CT2_J2KR",
    "oddities/rtstruct/ct.0.dcm",
    "oddities/seg_sr/ct_image.dcm",
]
REFUSED_FILES = {
    f"{BASE}_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm": "none that can be decoded",
    f"{BASE}_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm": "none that can be decoded",
    f"{ODD}/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": "is in units of perfusion",
    f"{ODD}/no-pixel-data.dcm": "none a CT slice: 1 SR object",
    f"{ODD}/no-pixel-spacing.dcm": "is US, expected CT",
    "oddities/rtstruct/rtss.dcm": "none a CT slice: 1 RTSTRUCT object",
    "oddities/seg_sr/dx_image.dcm": "is DX, expected CT",
    "oddities/seg_sr/sr_document.dcm": "none a CT slice: 1 SR object",
    "oddities/seg_sr/seg_image_ct_binary.dcm": "none a CT slice: 1 SEG object",
    "oddities/seg_sr/seg_image_ct_true_fractional.dcm": "none a CT slice: 1 SEG object",
}
REFUSED = {
    "oddities/broken_series/gantrytilting": "gantry tilt of 14.0°",
    "oddities/broken_series/notavolume": "001.dcm and 001/002.dcm lie at one position",
    "oddities/broken_series/slicecount": "is MR, expected CT",
    "oddities/broken_series/sliceincrement/001": "gap of 10 mm between IM-0001-0009-0001.dcm",
    "oddities/broken_series/sliceincrement/002": "gap of 1.499 mm between IM-0001-0003.dcm",
    "oddities/broken_series/sliceorientation": "is MR, expected CT",
    "oddities/compressed": "is MR, expected CT",
    "oddities/compressed_j2k": "is MR, expected CT",
    "oddities/compressed_jpeg": "is MR, expected CT",
    "oddities/compressed_jpegls": "is MR, expected CT",
    "oddities/compressed_rle": "is MR, expected CT",
    "lung_pet_ct_dx": "2 patients",
    "oddities/transfer_syntaxes": "4 patients",  # of CT; an ultrasound and a report lie beside
    "ct_png": "none a CT slice",
}


def alone(path, folder):
    """Folder with one file of a folder of many."""
    (folder / "one").mkdir()
    (folder / "one" / path.name).symlink_to(path)
    return folder / "one"


def second_reading(files):
    """HU [slices, rows, cols], spacing and origin as SimpleITK reads the files, in their order."""
    sitk = pytest.importorskip("SimpleITK")
    reader = sitk.ImageSeriesReader() if len(files) > 1 else sitk.ImageFileReader()
    if len(files) > 1:
        reader.SetFileNames(files)
    else:
        reader.SetFileName(files[0])
    image = reader.Execute()
    return sitk.GetArrayFromImage(image), image.GetSpacing()[::-1], image.GetOrigin()


@functools.cache
def loaded(folder):
    """A series, read once for all tests."""
    return read_series(folder)


@pytest.mark.parametrize("name", LOADED)
def test_series_load(real_data, name):
    volume = loaded(real_data / name)
    shape, spacing = LOADED[name]
    assert volume.hu.shape == shape and volume.hu.dtype == np.int16
    assert volume.spacing == pytest.approx(spacing, abs=1e-5)
    assert volume.hu.min() >= -1024
    assert volume.notes == ()
    # it is a chest: air outside at the front corner of each slice, none colder than air
    assert volume.hu[:, 0, 0].max() < -900


@pytest.mark.parametrize("name", LOADED)
def test_series_agree_with_simpleitk(real_data, name):
    volume = loaded(real_data / name)
    pixels, spacing, origin = second_reading(volume.files)
    np.testing.assert_array_equal(volume.hu, np.maximum(pixels, -1024))
    np.testing.assert_allclose(volume.spacing, spacing, atol=1e-4)
    np.testing.assert_allclose(volume.affine[:3, 3], origin, atol=1e-4)


@pytest.mark.parametrize("name", LOADED_FILES)
def test_single_files_load_and_agree_with_simpleitk(real_data, tmp_path, name):
    volume = read_series(alone(real_data / name, tmp_path))
    assert any("Only one slice" in note for note in volume.notes)
    pixels, _, _ = second_reading(volume.files)
    pixels = np.rint(pixels.reshape(volume.hu.shape))
    np.testing.assert_array_equal(volume.hu, np.maximum(pixels, -1024))


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_single_files_are_refused_for_the_right_reason(real_data, tmp_path, name):
    with pytest.raises(InputError) as caught:
        read_series(alone(real_data / name, tmp_path))
    assert REFUSED_FILES[name] in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_broken_series_are_refused_for_the_right_reason(real_data, name):
    with pytest.raises(InputError) as caught:
        read_series(real_data / name)
    assert REFUSED[name] in str(caught.value)


def test_every_odd_file_is_in_one_of_the_tables(real_data):
    files = {
        path.relative_to(real_data).as_posix()
        for folder in (ODD, "oddities/rtstruct")
        for path in (real_data / folder).iterdir()
    }
    assert files == {name for name in [*LOADED_FILES, *REFUSED_FILES] if "seg_sr" not in name}


def test_dicom_agrees_with_the_nrrd_of_the_same_scan(real_data):
    """cip_ct64's NRRD is an independent conversion; its lung mask must fall on air-filled lung."""
    sitk = pytest.importorskip("SimpleITK")
    volume = read_series(real_data / "cip_ct64" / "ct-64Dicom")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(real_data / "cip_ct64/wholeLung-64.nrrd")))
    assert mask.shape == volume.hu.shape
    assert np.median(volume.hu[mask > 0]) < -700
    assert np.median(volume.hu[mask == 0]) > np.median(volume.hu[mask > 0])
    turned = volume.hu[::-1][mask > 0]
    assert np.median(volume.hu[mask > 0]) < np.median(turned)
