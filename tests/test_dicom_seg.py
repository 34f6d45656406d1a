"""DICOM SEG out and in: read back by others, checked by dciodvfy, and what is refused."""

import dataclasses
import shutil
import subprocess

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_factory import ROOT, enhanced_ct, save, with_flipped_bits, write_series
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from utils.dicom import read_series
from utils.dicom_seg import write_seg
from utils.errors import InputError
from utils.masks import load_mask
from utils.seg_reader import read_seg, seg_masks

SHAPE = (5, 12, 10)


def oriented(*orientation, step=(0, 0, 1)):
    """Edit that turns slices and stacks them along `step` (LPS) instead of towards the head."""

    def edit(dataset, k):
        dataset.ImageOrientationPatient = list(orientation)
        dataset.ImagePositionPatient = [f"{3 * k * way:.6g}" for way in step]

    return edit


SERIES = {
    "axial, named from the head down": None,
    "prone, both axes turned": oriented(-1, 0, 0, 0, -1, 0),
    "coronal": oriented(1, 0, 0, 0, 0, -1, step=(0, 1, 0)),
    "sagittal": oriented(0, 1, 0, 0, 0, -1, step=(1, 0, 0)),
}


def loaded(tmp_path, edit=None, **options):
    write_series(tmp_path / "images", edit=edit, rows=SHAPE[1], cols=SHAPE[2], **options)
    return read_series(tmp_path / "images")


def lopsided(volume, labels=1):
    """A mask without any symmetry, and with empty slices at both ends."""
    mask = np.random.default_rng(3).integers(0, labels + 1, volume.hu.shape).astype(np.uint8)
    mask[0], mask[-1] = 0, 0
    return mask


def by_source_file(dataset):
    """SOPInstanceUID of the source -> voxels of a SEG of one segment, by pydicom alone."""
    groups = dataset.PerFrameFunctionalGroupsSequence
    sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
    uids = [source.ReferencedSOPInstanceUID for source in sources]
    return dict(zip(uids, dataset.pixel_array, strict=True))


@pytest.mark.parametrize("name", SERIES)
def test_each_frame_is_the_mask_of_its_source_file(tmp_path, name):
    """HU name the voxel (see dicom_factory), so the source file itself says which it is."""
    volume = loaded(tmp_path, SERIES[name])
    wanted = np.unique(volume.hu)[::3]
    mask = np.isin(volume.hu, wanted).astype(np.uint8)
    assert 0 < mask.mean() < 1
    write_seg(mask, volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), mask)
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert dataset.NumberOfFrames == 5
    frames = by_source_file(dataset)
    for path in (tmp_path / "images").iterdir():
        source = pydicom.dcmread(path)
        expected = np.isin(source.pixel_array.astype(int) - 1024, wanted)
        assert np.array_equal(frames[source.SOPInstanceUID], expected)
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName"):
        assert dataset[keyword].value == source[keyword].value


def test_a_position_walk_by_pydicom_finds_the_mask(tmp_path):
    volume = loaded(tmp_path)
    mask = lopsided(volume)
    write_seg(mask, volume, tmp_path / "seg.dcm")
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    found = {
        float(group.PlanePositionSequence[0].ImagePositionPatient[2]): frame
        for group, frame in zip(
            dataset.PerFrameFunctionalGroupsSequence, dataset.pixel_array, strict=True
        )
    }
    assert np.array_equal([found[z] for z in sorted(found)], mask)


@pytest.mark.parametrize("name", SERIES)
def test_highdicom_reads_the_same(tmp_path, name):
    volume = loaded(tmp_path, SERIES[name])
    mask = lopsided(volume, labels=2)
    write_seg(mask, volume, tmp_path / "seg.dcm", regions=("right", "left"), algorithm="U-Net")
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    code = volume.identity["stored_axes"]
    second = seg.get_volume(combine_segments=True).to_patient_orientation("HPL")
    assert np.array_equal(second.array, mask), code
    assert np.allclose(second.affine, volume.affine)
    descriptions = [seg.get_segment_description(number) for number in (1, 2)]
    codes = [d.segmented_property_type for d in descriptions]
    assert [(c.value, c.scheme_designator, c.meaning) for c in codes] == [
        ("3341006", "SCT", "Right lung"),
        ("44029006", "SCT", "Left lung"),
    ]
    assert {d.algorithm_type.value for d in descriptions} == {"AUTOMATIC"}
    assert descriptions[0].algorithm_identification.name == "U-Net"


def test_simpleitk_reads_the_same(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK, a second reader, is not installed")
    volume = loaded(tmp_path)
    mask = lopsided(volume)
    write_seg(mask, volume, tmp_path / "seg.dcm")
    image = sitk.ReadImage(str(tmp_path / "seg.dcm"))
    array = sitk.GetArrayFromImage(image)
    if image.GetDirection()[8] < 0:
        array = array[::-1]
    assert np.array_equal(array > 0, mask)


def test_left_and_right_come_back_apart_and_united(tmp_path):
    volume = loaded(tmp_path)
    labels = lopsided(volume, labels=2)
    write_seg(labels, volume, tmp_path / "seg.dcm", regions=("right", "left"))
    masks = seg_masks(tmp_path / "seg.dcm", volume)
    assert set(masks) == {"right", "left"}
    assert np.array_equal(masks["right"], labels == 1)
    assert np.array_equal(masks["left"], labels == 2)
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), labels > 0)
    write_seg(labels == 2, volume, tmp_path / "left.dcm", regions=("left",))
    with pytest.raises(InputError, match="only the left lung is there"):
        read_seg(tmp_path / "left.dcm", volume)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
def test_masks_of_every_number_type(tmp_path, kind):
    volume = loaded(tmp_path)
    mask = lopsided(volume)
    write_seg(mask.astype(kind), volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), mask)


def test_an_empty_mask(tmp_path):
    volume = loaded(tmp_path)
    write_seg(np.zeros(SHAPE, bool), volume, tmp_path / "seg.dcm")
    assert pydicom.dcmread(tmp_path / "seg.dcm").NumberOfFrames == 5
    assert read_seg(tmp_path / "seg.dcm", volume).sum() == 0


def test_an_enhanced_ct(tmp_path):
    save(enhanced_ct(rows=12, cols=10), tmp_path / "images" / "ct.dcm")
    volume = read_series(tmp_path / "images")
    mask = lopsided(volume)
    write_seg(mask, volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), mask)
    second = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert np.array_equal(second.to_patient_orientation("HPL").array, mask)


def conformance_errors(file):
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian: apt-get install dicom3tools)")
    done = subprocess.run([program, "-new", str(file)], capture_output=True, text=True, timeout=60)
    output = (done.stdout + done.stderr).splitlines()
    assert any("Segmentation" in line for line in output), output
    return [line for line in output if line.startswith("Error")]


@pytest.mark.parametrize("regions", [("both",), ("right", "left")])
@pytest.mark.parametrize("algorithm", [None, "U-Net, width 16"])
def test_the_standard_is_met(tmp_path, regions, algorithm):
    volume = loaded(tmp_path)
    mask = lopsided(volume, labels=len(regions))
    write_seg(mask, volume, tmp_path / "seg.dcm", regions, algorithm)
    assert conformance_errors(tmp_path / "seg.dcm") == []


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (np.zeros((4, 12, 10)), r"shape \(4, 12, 10\) but the series \(5, 12, 10\)"),
        (np.zeros((5, 10, 12)), r"shape \(5, 10, 12\) but the series"),
        (np.full(SHAPE, 2), "values other than 0 to 1"),
        (np.full(SHAPE, 0.5), "Threshold a soft mask"),
        (np.full(SHAPE, -1), "values other than"),
        (np.full(SHAPE, 257), "values other than"),
        (np.full(SHAPE, np.nan), "values other than"),
        (np.full(SHAPE, "1"), "values other than"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_masks_that_do_not_fit(tmp_path, mask, found):
    volume = loaded(tmp_path)
    with pytest.raises(InputError, match=found):
        write_seg(mask, volume, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_a_series_that_is_not_there_any_more(tmp_path):
    volume = loaded(tmp_path)
    mask, seg = lopsided(volume), tmp_path / "seg.dcm"
    seg.write_bytes(b"an older file")
    with pytest.raises(InputError, match="does not come from files"):
        write_seg(mask, dataclasses.replace(volume, files=()), seg)
    with pytest.raises(InputError, match="not as they were loaded"):
        write_seg(mask, dataclasses.replace(volume, files=volume.files[1:]), seg)
    with pytest.raises(InputError, match="not as they were loaded"):
        other = {**volume.identity, "series_uid": "1.2.3"}
        write_seg(mask, dataclasses.replace(volume, identity=other), seg)
    with pytest.raises(InputError, match="not as they were loaded"):
        moved = volume.affine + np.eye(4)[2:3].T @ np.eye(4)[3:4] * 30
        write_seg(mask, dataclasses.replace(volume, affine=moved), seg)
    (tmp_path / "images" / "1-003.dcm").unlink()
    with pytest.raises(InputError, match=r"1-003\.dcm is gone"):
        write_seg(mask, volume, seg)
    assert seg.read_bytes() == b"an older file"


def test_a_series_without_positions_or_names(tmp_path):
    def placeless(dataset, k):
        del dataset.ImagePositionPatient

    volume = loaded(tmp_path, placeless)
    with pytest.raises(InputError, match="has no ImagePositionPatient"):
        write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")

    def nameless(dataset, k):
        for keyword in ("PatientName", "PatientID"):
            delattr(dataset, keyword)

    volume = loaded(tmp_path, nameless)  # both may be empty, and de-identified files lack them
    write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")
    assert conformance_errors(tmp_path / "seg.dcm") == []

    def studyless(dataset, k):
        del dataset.StudyInstanceUID

    volume = loaded(tmp_path, studyless)
    with pytest.raises(InputError, match=r"do not suffice for a SEG .*StudyInstanceUID"):
        write_seg(lopsided(volume), volume, tmp_path / "seg.dcm")


def test_what_was_not_written_as_given_is_not_kept(tmp_path, monkeypatch):
    volume = loaded(tmp_path)
    mask = lopsided(volume)
    monkeypatch.setattr("utils.dicom_seg.to_stored_grid", lambda array, code: array[::-1])
    with pytest.raises(InputError, match="does not read back as it was written"):
        write_seg(mask, volume, tmp_path / "seg.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


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


def other_series(dataset):
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = f"{ROOT}.77"


def other_frame(dataset):
    dataset.FrameOfReferenceUID = f"{ROOT}.78"


def no_reference(dataset):
    del dataset.ReferencedSeriesSequence, dataset.FrameOfReferenceUID


def fractional(dataset):
    dataset.SegmentationType = "FRACTIONAL"


def of_a_heart(dataset):
    segment = dataset.SegmentSequence[0]
    segment.SegmentLabel = "Heart"
    segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "80891009"


def moved(dataset):
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSequence[0].ImagePositionPatient[0] += 5


def beyond(dataset):
    place = dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
    place.ImagePositionPatient[2] = "400"


def twice(dataset):
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1].PlanePositionSequence = groups[2].PlanePositionSequence


def finer(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence[0].PixelSpacing = ["0.7", "0.5"]


def turned(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 1, 0, 0]


def more_frames(dataset):
    dataset.NumberOfFrames = 2_000_000_000


def fewer_groups(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[4]


def short_pixels(dataset):
    dataset.PixelData = dataset.PixelData[:40]


def no_pixels(dataset):
    del dataset.PixelData


def bytes_a_voxel(dataset):
    dataset.BitsAllocated = 8


def unknown_segment(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9


def placeless_frame(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence


def spaceless(dataset):
    """A macro with an item, but nothing in it."""
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [pydicom.Dataset()]


def nameless_frame(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.SegmentIdentificationSequence = [pydicom.Dataset()]


def endless_reference(dataset):
    dataset.ReferencedSeriesSequence[0]["SeriesInstanceUID"]._value = "1." * 3000


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (other_series, f"drawn on series {ROOT}.77, but this is"),
        (other_frame, f"drawn on frame of reference {ROOT}.78"),
        (no_reference, "names neither the series nor the frame of reference"),
        (fractional, "a FRACTIONAL segmentation, expected BINARY"),
        (of_a_heart, "no lung among its segments: Heart"),
        (moved, "frame 1 does not lie on a slice of the series"),
        (beyond, "frame 3 does not lie on a slice of the series"),
        (twice, "frame 3 is of no segment, or a second one at its place"),
        (finer, "does not lie on a slice of the series"),
        (turned, "does not lie on a slice of the series"),
        (more_frames, "2000000000 frames of 12 x 10 voxels, expected at most 5 a segment"),
        (fewer_groups, "5 frames but 4 functional groups"),
        (short_pixels, "pixel data end early: truncated"),
        (no_pixels, "pixel data end early: truncated"),
        (bytes_a_voxel, "compressed, or not one bit each"),
        (unknown_segment, "frame 1 is of no segment"),
        (placeless_frame, "frame 4 has no position"),
        (spaceless, "frame 1 has no position, orientation or spacing"),
        (nameless_frame, "frame 1 is of no segment"),
        (endless_reference, r"drawn on series (1\.){32}, but this is"),
    ],
)
def test_segs_that_are_refused(tmp_path, edit, found):
    volume = loaded(tmp_path)
    with pytest.raises(InputError, match=rf"^seg\.dcm: .*{found}"):
        read_seg(edited(tmp_path, volume, edit), volume)


def test_bytes_after_the_pixels_are_refused(tmp_path):
    """Whatever stands behind the last voxel was pushed there, and the voxels have slipped."""
    volume = loaded(tmp_path)
    file = edited(tmp_path, volume, lambda dataset: None)
    file.write_bytes(file.read_bytes() + b"\x81\x10 and more")
    with pytest.raises(InputError, match=r"bytes that are no DICOM follow its pixels"):
        read_seg(file, volume)


def test_files_that_are_no_seg(tmp_path):
    volume = loaded(tmp_path)
    for file in (tmp_path / "absent.dcm", tmp_path, volume.files[0]):
        with pytest.raises(InputError, match="no DICOM SEG"):
            read_seg(file, volume)


def modifier(dataset):
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "7771000", "SCT", "Left"
    kind = dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    kind.SegmentedPropertyTypeModifierCodeSequence = [code]


def old_code(dataset):
    kind = dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    kind.CodeValue, kind.CodingSchemeDesignator = "T-28500", "SRT"


def label_only(dataset):
    of_a_heart(dataset)
    dataset.SegmentSequence[0].SegmentLabel = "Lt_Lung"


@pytest.mark.parametrize("edit", [modifier, old_code, label_only])
def test_other_ways_to_say_left_lung(tmp_path, edit):
    volume = loaded(tmp_path)
    masks = seg_masks(edited(tmp_path, volume, edit), volume)
    assert list(masks) == ["left"]
    assert np.array_equal(masks["left"], lopsided(volume))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_transfer_syntaxes(tmp_path, syntax):
    volume = loaded(tmp_path)
    file = edited(tmp_path, volume, lambda dataset: None, syntax)
    assert np.array_equal(read_seg(file, volume), lopsided(volume))


def test_slices_left_out_are_empty(tmp_path):
    """Other writers leave empty frames out; ours keeps them (highdicom's omit_empty_frames)."""
    volume = loaded(tmp_path)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3] = 1

    def without_empty(dataset):
        bits = np.packbits(np.ones(2 * 120, np.uint8), bitorder="little").tobytes()
        groups = dataset.PerFrameFunctionalGroupsSequence
        heights = [float(g.PlanePositionSequence[0].ImagePositionPatient[2]) for g in groups]
        order = np.argsort(heights)
        dataset.PerFrameFunctionalGroupsSequence = [groups[order[k]] for k in (1, 2)]
        dataset.NumberOfFrames, dataset.PixelData = 2, bits

    assert np.array_equal(read_seg(edited(tmp_path, volume, without_empty), volume), mask)


def test_damaged_files_are_refused_or_read_in_full(tmp_path):
    volume = loaded(tmp_path)
    mask, file = lopsided(volume), tmp_path / "seg.dcm"
    write_seg(mask, volume, file)
    data = file.read_bytes()
    for end in range(0, len(data), 61):
        file.write_bytes(data[:end])
        try:
            assert np.array_equal(read_seg(file, volume), mask), end
        except InputError:
            pass
    rng, refused = np.random.default_rng(5), 0
    for _ in range(120):
        file.write_bytes(with_flipped_bits(data, rng, 6))
        try:
            seg_masks(file, volume)
        except InputError:
            refused += 1
    assert refused > 20


@pytest.mark.real_data
@pytest.mark.parametrize("vendor", ["A0001", "A0002"])
def test_real_series_of_two_vendors(real_data, tmp_path, vendor):
    volume = read_series(real_data / "lung_pet_ct_dx" / vendor)
    mask = (volume.hu < -500).astype(np.uint8)
    write_seg(mask, volume, tmp_path / "seg.dcm", algorithm="threshold")
    assert conformance_errors(tmp_path / "seg.dcm") == []
    second = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert np.array_equal(second.to_patient_orientation("HPL").array, mask)


@pytest.mark.real_data
def test_a_real_patient_with_a_mask(real_data, tmp_path):
    """Files and InstanceNumber run from the head down, the mask from the abdomen up."""
    volume = read_series(real_data / "lctsc" / "Images" / "Case_000")
    mask = load_mask(real_data / "lctsc" / "Segmentations" / "Case_000_seg.npz")
    write_seg(mask, volume, tmp_path / "seg.dcm")
    assert conformance_errors(tmp_path / "seg.dcm") == []
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    frames = by_source_file(dataset)
    for path, expected in list(zip(volume.files, mask, strict=True))[::10]:
        uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
        assert np.array_equal(frames[uid], expected)
