"""Headers of containers that contradict themselves, or that a library would choke on."""

import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import SimpleITK
from itk_builders import convert

from utils.dicom import case_folders
from utils.dicom.reader import read_series
from utils.errors import InputError

READ = "import sys; from utils.dicom import read_series; print(read_series(sys.argv[1]).hu.shape)"


def in_a_process(file):
    """Exit code and messages of a process that reads a file: a crash would end this one."""
    command = [sys.executable, "-W", "ignore", "-c", READ, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr"])
@pytest.mark.parametrize(
    "line",
    [
        b"z" * 3000,
        b"space origin: (" + b"1," * 1500,
        b"type: " + b"9" * 3000,
        b"\xfc\xff\xff}" * 600,
    ],
)
def test_an_nrrd_with_a_long_line_that_is_no_field_is_refused(tmp_path, ending, line):
    """SimpleITK dies of it: it writes the line into a buffer of a thousand bytes."""
    file = convert(tmp_path / "images", tmp_path / f"scan{ending}")
    header, voxels = file.read_bytes().split(b"\n\n" if ending == ".nrrd" else b"\0", 1)[0], b""
    if ending == ".nrrd":
        voxels = b"\n\n" + file.read_bytes().split(b"\n\n", 1)[1]
    file.write_bytes(header.rstrip(b"\n") + b"\n" + line + b"\n" + voxels)
    code, said = in_a_process(file)
    assert code == 1, "the process died"
    assert f"{file.name}: a line of its header is no field: damaged. Fetch it again" in said


def test_an_nrrd_without_an_end_of_its_header_is_refused(tmp_path):
    file = convert(tmp_path / "images", tmp_path / "scan.nrrd")
    file.write_bytes(file.read_bytes().replace(b"\n\n", b"\n|", 1))
    assert in_a_process(file)[0] == 1


def test_long_comments_keys_and_contents_of_an_nrrd_are_read(tmp_path):
    file = convert(tmp_path / "images", tmp_path / "scan.nrrd")
    header, voxels = file.read_bytes().split(b"\n\n", 1)
    more = [b"# " + b"c" * 3000, b"DICOM header:=" + b"v" * 3000, b"content: " + b"w" * 3000]
    for end in (b"\n", b"\r\n"):
        lines = [*header.splitlines(), *more, b"", b""]
        file.write_bytes(end.join(lines) + voxels)
        assert np.array_equal(read_series(file).hu, read_series(tmp_path / "images").hu)


def nifti(tmp_path, *fields):
    """A NIfTI file in whose header values stand at offsets: (offset, format, values …)."""
    file = convert(tmp_path / "images", tmp_path / "scan.nii")
    data = bytearray(file.read_bytes())
    for offset, form, *values in fields:
        struct.pack_into(form, data, offset, *values)
    file.write_bytes(data)
    return file


SLOPE, INTERCEPT, FACE, QFORM, QUATERNION = 112, 116, 76, 252, 256  # bytes (nifti1.h)
NAN = float("nan")


@pytest.mark.parametrize(
    ("slope", "intercept", "factor"), [(0, 0, 1), (NAN, NAN, 1), (0, NAN, 1), (2, 5, 2), (1, 5, 1)]
)
def test_a_scale_of_nifti_is_applied_where_there_is_one(tmp_path, slope, intercept, factor):
    file = nifti(tmp_path, (SLOPE, "<2f", slope, intercept))
    expected = read_series(tmp_path / "images").hu * factor + (intercept if slope >= 1 else 0)
    assert np.array_equal(read_series(file).hu, np.maximum(expected, -1024))


@pytest.mark.parametrize("slope", [0, NAN])
def test_a_shift_of_nifti_without_a_scale_is_refused(tmp_path, slope):
    """The standard ignores it then, SimpleITK adds it."""
    file = nifti(tmp_path, (SLOPE, "<2f", slope, -1000))
    with pytest.raises(InputError, match=r"scan\.nii: scl_slope is \w+, .* but scl_inter -1000"):
        read_series(file)


@pytest.mark.parametrize("change", [(QUATERNION, "<3f", 0, 0, 0), (FACE, "<f", -1)])
def test_a_nifti_that_is_turned_in_two_ways_is_refused(tmp_path, change):
    """Of two headers in one, SimpleITK takes one without a word: left and right may be swapped."""
    file = nifti(tmp_path, change)
    with pytest.raises(InputError, match="its qform and its sform turn it differently"):
        read_series(file)
    data = bytearray(file.read_bytes())
    data[QFORM : QFORM + 2] = b"\0\0"  # a qform that is none contradicts nothing
    file.write_bytes(data)
    assert np.array_equal(read_series(file).hu, read_series(tmp_path / "images").hu)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LPI", "PIR", "SRA", "RSP"])
def test_both_ways_of_a_nifti_agree_whatever_its_axes(tmp_path, orientation):
    def turned(image):
        return SimpleITK.DICOMOrient(image, orientation)

    file = convert(tmp_path / "images", tmp_path / "scan.nii", turned)
    assert file.read_bytes()[QFORM : QFORM + 4] == b"\1\0\1\0", "both are there"
    assert np.array_equal(read_series(file).hu, read_series(tmp_path / "images").hu)


def test_an_encrypted_zip_is_called_that(tmp_path):
    convert(tmp_path / "images", tmp_path / "scan.nii")
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        for path in (tmp_path / "images").iterdir():
            archive.write(path, path.name)
    data = bytearray((tmp_path / "scan.zip").read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(mark, at + 1)
    (tmp_path / "scan.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"scan\.zip holds 5 files, .* encrypted, .* Unpack it"):
        read_series(tmp_path / "scan.zip")


@pytest.mark.parametrize("name", ["scan.hdr", "scan.7z", "scan.dcm"])
def test_a_file_of_another_kind_is_told_what_is_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    for read in (read_series, case_folders):
        with pytest.raises(InputError, match=r"a file that ends in one of \.nii, \.nii\.gz"):
            read(tmp_path / name)
