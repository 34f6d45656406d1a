"""DICOM SEG out and in: read back by others, and checked by dciodvfy."""

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_factory import enhanced_ct, save
from seg_builders import SHAPE, conformance_errors, loaded, lopsided

from utils.dicom.reader import read_series
from utils.errors import InputError
from utils.masks.npz import load_mask
from utils.masks.seg_reader import read_seg, seg_masks
from utils.masks.seg_writer import write_seg


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
    code = volume.stored_axes
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
def test_masks_of_every_number_type_come_back_the_same(tmp_path, kind):
    volume = loaded(tmp_path)
    mask = lopsided(volume)
    write_seg(mask.astype(kind), volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), mask)


def test_an_empty_mask_keeps_its_frames_and_comes_back_empty(tmp_path):
    volume = loaded(tmp_path)
    write_seg(np.zeros(SHAPE, bool), volume, tmp_path / "seg.dcm")
    assert pydicom.dcmread(tmp_path / "seg.dcm").NumberOfFrames == 5
    assert read_seg(tmp_path / "seg.dcm", volume).sum() == 0


def test_a_mask_of_an_enhanced_ct_comes_back_the_same(tmp_path):
    save(enhanced_ct(rows=12, cols=10), tmp_path / "images" / "ct.dcm")
    volume = read_series(tmp_path / "images")
    mask = lopsided(volume)
    write_seg(mask, volume, tmp_path / "seg.dcm")
    assert np.array_equal(read_seg(tmp_path / "seg.dcm", volume), mask)
    second = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert np.array_equal(second.to_patient_orientation("HPL").array, mask)


@pytest.mark.parametrize("regions", [("both",), ("right", "left")])
@pytest.mark.parametrize("algorithm", [None, "U-Net, width 16"])
def test_dciodvfy_finds_no_error(tmp_path, regions, algorithm):
    volume = loaded(tmp_path)
    mask = lopsided(volume, labels=len(regions))
    write_seg(mask, volume, tmp_path / "seg.dcm", regions, algorithm)
    assert conformance_errors(tmp_path / "seg.dcm") == []


@pytest.mark.real_data
@pytest.mark.parametrize("vendor", ["A0001", "A0002"])
def test_masks_of_real_series_come_back_through_highdicom(real_data, tmp_path, vendor):
    volume = read_series(real_data / "lung_pet_ct_dx" / vendor)
    mask = (volume.hu < -500).astype(np.uint8)
    write_seg(mask, volume, tmp_path / "seg.dcm", algorithm="threshold")
    assert conformance_errors(tmp_path / "seg.dcm") == []
    second = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert np.array_equal(second.to_patient_orientation("HPL").array, mask)


@pytest.mark.real_data
def test_each_frame_of_a_real_mask_names_its_source_file(real_data, tmp_path):
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
