"""NIfTI, NRRD, MetaImage and zip: the same volume as the folder gives, or refused."""

import gzip
import zipfile

import numpy as np
import pytest
import SimpleITK
from dicom_factory import ROOT, write_series
from itk_builders import convert, with_air

from utils.dicom import containers, unpacked
from utils.dicom.reader import read_series
from utils.errors import InputError

ENDINGS = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".MHA"]


def converted(tmp_path, ending, orientation="LPS", change=lambda image: image):
    """The series of the factory, converted by SimpleITK, and the Volume of its folder."""

    def turned(image):
        return change(SimpleITK.DICOMOrient(image, orientation))

    file = convert(tmp_path / "images", tmp_path / f"a case.1{ending}", turned)
    return file, read_series(tmp_path / "images")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LPI", "PIR", "SRA"])
def test_a_converted_series_is_the_same_volume(tmp_path, ending, orientation):
    """Whatever its axes are, voxels and millimetres are those that SimpleITK was given."""
    file, expected = converted(tmp_path, ending, orientation)
    volume = read_series(file)
    assert np.array_equal(volume.hu, expected.hu) and volume.hu.dtype == np.int16
    np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-4)
    np.testing.assert_allclose(volume.spacing, expected.spacing, atol=1e-5)
    assert volume.identity["case"] == "a case.1" and volume.files == ()
    assert not volume.hu.flags.writeable
    assert volume.notes[0].startswith("It comes from no DICOM files")


def as_float(image):
    return SimpleITK.Cast(image, SimpleITK.sitkFloat64) + 0.3


def cold(image):
    image[0, 0, 0] = -3000
    return image


def test_fractions_are_rounded_and_what_is_colder_than_air_is_told(tmp_path):
    file, expected = converted(tmp_path, ".nii", change=as_float)
    assert np.array_equal(read_series(file).hu, expected.hu)
    file, expected = converted(tmp_path, ".mha", change=cold)
    volume = read_series(file)
    assert volume.hu[0, 0, 0] == -1024 and np.array_equal(volume.hu[1:], expected.hu[1:])
    assert volume.notes[1] == "Values below -1024 HU, down to -3000, were set to -1024 HU."


def windowed(image):
    return SimpleITK.Cast(SimpleITK.RescaleIntensity(image, 0, 255), SimpleITK.sitkUInt8)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (windowed, "values of 0 to 254, of which 0.0 % are air"),
        (lambda image: image + 1024, "Convert the series with its rescale"),
        (lambda image: as_float(image) * 1e5, "which no CT has"),
        (lambda image: SimpleITK.JoinSeries([image, image]), "expected one volume of grey values"),
        (lambda image: SimpleITK.Compose([image, image]), "expected one volume of grey values"),
        (lambda image: image[:, :, 2], "expected one volume of grey values"),
    ],
)
def test_what_is_no_volume_in_hounsfield_units_is_refused(tmp_path, change, found):
    file, _ = converted(tmp_path, ".nii.gz", change=change)
    with pytest.raises(InputError, match=rf"^a case\.1\.nii\.gz: .*{found}"):
        read_series(file)


@pytest.mark.parametrize(
    ("ending", "old", "new"),
    [
        (".nrrd", b"space: left-posterior-superior\n", b"space dimension: 3\n"),
        (".mha", b"TransformMatrix", b"TransformNothing"[:15]),
        (".nii", None, None),
    ],
)
def test_an_image_that_does_not_tell_left_from_right_is_refused(tmp_path, ending, old, new):
    file, _ = converted(tmp_path, ending)
    data = bytearray(file.read_bytes())
    if old is None:
        data[252:256] = bytes(4)  # qform_code and sform_code (NIfTI-1)
    else:
        assert data.count(old) == 1
        data = data.replace(old, new)
    file.write_bytes(data)
    with pytest.raises(InputError, match="does not say how it lies in the patient"):
        read_series(file)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("kind", [SimpleITK.sitkFloat32, SimpleITK.sitkFloat64])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_refused(tmp_path, ending, kind, value):
    """NIfTI's library makes 0 of it, which is water, before anybody can look."""

    def holed(image):
        image = SimpleITK.Cast(image, kind)
        image[0, 0, 0] = image[2, 1, 3] = float(value)
        return image

    file, _ = converted(tmp_path, ending, change=holed)
    with pytest.raises(InputError, match=r": 2 of its voxels are no numbers\. Put air"):
        read_series(file)


def test_what_is_no_number_is_seen_in_either_byte_order(tmp_path):
    file, expected = converted(tmp_path, ".nii", change=as_float)
    data = file.read_bytes()
    order = [(0, "i4", 1), (40, "i2", 8), (56, "f4", 3), (68, "i2", 4), (76, "f4", 11)]
    order += [(124, "f4", 6), (140, "i4", 2), (252, "i2", 2), (256, "f4", 18), (352, "f8", 240)]
    swapped = bytearray(data)  # NIfTI-1, every number of it
    for start, kind, count in order:
        numbers = np.frombuffer(data, "<" + kind, count, start)
        swapped[start : start + numbers.nbytes] = numbers.astype(">" + kind).tobytes()
    file.write_bytes(swapped)
    assert np.array_equal(read_series(file).hu, expected.hu)
    swapped[352:360] = np.array(np.nan, ">f8").tobytes()
    file.write_bytes(swapped)
    with pytest.raises(InputError, match="1 of its voxels are no numbers"):
        read_series(file)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (108, 0.0, "voxels from byte"),  # vox_offset, of the first voxel
        (108, -352.0, "voxels from byte"),
        (108, float("nan"), "voxels from byte"),
        (80, 0.0, "sform contradicts"),  # pixdim[1], which SimpleITK takes for 1 mm if it is 0
        (80, 0.55, "sform contradicts"),
        (88, -3.0, "sform contradicts"),
        (296, 0.7, "sform contradicts"),  # in sform, of which SimpleITK takes no lengths
    ],
)
def test_a_nifti_header_that_contradicts_itself_is_refused(tmp_path, place, value, said):
    file, _ = converted(tmp_path, ".nii")
    data = bytearray(file.read_bytes())
    data[place : place + 4] = np.array(value, "<f4").tobytes()
    file.write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_series(file)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_truncated_image_is_refused(tmp_path, ending):
    """SimpleITK fills what is missing of a NIfTI with zeros, which are water."""
    file, _ = converted(tmp_path, ending)
    data = file.read_bytes()
    for cut in (9, len(data) // 8, len(data) // 2):
        file.write_bytes(data[:-cut])
        with pytest.raises(InputError, match=rf"^a case\.1\{ending}: it "):
            read_series(file)


def test_a_compressed_image_beside_another_of_its_name_is_itself(tmp_path):
    """SimpleITK reads a case.1.nii when asked for a case.1.nii.gz beside it."""
    converted(tmp_path, ".nii", change=lambda image: image * 0 - 1000)
    file, expected = converted(tmp_path, ".nii.gz")
    assert np.array_equal(read_series(file).hu, expected.hu)


def test_an_oblique_image_is_refused(tmp_path):
    def turned(image):
        c, s = np.cos(0.5), np.sin(0.5)
        image.SetDirection([c, -s, 0, s, c, 0, 0, 0, 1])
        return image

    file, _ = converted(tmp_path, ".nrrd", change=turned)
    with pytest.raises(InputError, match="oblique"):
        read_series(file)


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha", ".zip"])
@pytest.mark.parametrize("data", [b"", b"not at all " * 99])
def test_files_of_other_content_are_refused(tmp_path, ending, data):
    (tmp_path / f"x{ending}").write_bytes(data)
    with pytest.raises(InputError, match=rf"x\{ending}(:| cannot be unpacked)"):
        read_series(tmp_path / f"x{ending}")


def test_an_image_beyond_all_size_is_refused(tmp_path, monkeypatch):
    file, _ = converted(tmp_path, ".nii.gz")
    data = bytearray(gzip.decompress(file.read_bytes()))
    data[42:48] = np.array([30_000, 30_000, 30_000], "<i2").tobytes()
    file.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(InputError, match="more than any series has"):
        read_series(file)


def zipped(tmp_path, *others):
    """The factory's series in a zip, and further members (name, content)."""
    write_series(tmp_path / "images", edit=with_air)
    with zipfile.ZipFile(tmp_path / "Case 7.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "images").iterdir():
            archive.write(path, f"deep/{path.name}")
        for name, content in others:
            archive.writestr(name, content)
    return tmp_path / "Case 7.zip"


def test_a_zip_of_dicom_is_the_same_volume(tmp_path):
    file = zipped(tmp_path, ("deep/README", "text"))
    expected, volume = read_series(tmp_path / "images"), read_series(file)
    assert np.array_equal(volume.hu, expected.hu)
    assert np.array_equal(volume.affine, expected.affine)
    assert volume.identity == {**expected.identity, "case": "Case 7"}
    assert volume.files == () and "README" in volume.notes[0]
    assert read_series(file, f"{ROOT}.2").hu.shape == (5, 8, 6)
    with unpacked(file) as folder:
        inside = read_series(folder)
        assert len(inside.files) == 5 and inside.identity["case"] == "Case 7"
    assert not folder.exists()
    with unpacked(tmp_path / "images") as folder:
        assert folder == tmp_path / "images"


def test_a_zip_writes_nowhere_else(tmp_path):
    file = zipped(tmp_path, ("../../escaped", "x"), ("/tmp/escaped-too", "x"))  # noqa: S108
    before = sorted(tmp_path.rglob("*"))
    with unpacked(file) as folder:
        assert sorted(p.name for p in folder.rglob("escaped*")) == ["escaped", "escaped-too"]
    assert sorted(tmp_path.rglob("*")) == before


def test_damaged_and_enormous_zips_are_refused(tmp_path, monkeypatch):
    file = zipped(tmp_path)
    data = bytearray(file.read_bytes())
    data[200] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"^Case 7\.zip cannot be unpacked"):
        read_series(file)
    file = zipped(tmp_path)
    monkeypatch.setattr(containers, "LARGEST_UNPACKED", 1000)
    with pytest.raises(InputError, match="Unpack it and give the folder of one"):
        read_series(file)
