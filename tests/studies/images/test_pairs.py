"""Pairs of pictures and masks: what is read, what is refused, and how it is said."""

import numpy as np
import pytest
from image_builders import GREY, MASK, store

from studies.images import pairs as images
from utils.errors import InputError


def pair(folder, name, image=GREY, mask=MASK, suffix=".png"):
    store(folder, f"images/{name}{suffix}", image)
    store(folder, f"masks/{name}{suffix}", mask)


def refused(folder, classes=None):
    with pytest.raises(InputError) as error:
        images.load_pictures(folder, classes)
    return str(error.value)


def test_pairs_by_name_and_by_name_with_mask(tmp_path):
    pair(tmp_path, "b")
    store(tmp_path, "images/a é.TIF", GREY, format="TIFF")
    store(tmp_path, "masks/a é_mask.png", MASK)
    (tmp_path / "images/Thumbs.db").write_bytes(b"x")
    (tmp_path / "images/.DS_Store").write_bytes(b"x")
    found = images.load_pictures(tmp_path)
    assert [picture.name for picture in found] == ["a é", "b"]
    for picture in found:
        assert np.array_equal(picture.image, GREY) and np.array_equal(picture.truth, MASK)


def test_everything_that_does_not_pair_is_listed(tmp_path):
    for name in ("good", "alone", "twice", "masktwice"):
        pair(tmp_path, name)
    (tmp_path / "masks/alone.png").unlink()
    store(tmp_path, "masks/orphan.png", MASK)
    store(tmp_path, "images/twice.tif", GREY)
    store(tmp_path, "masks/masktwice_mask.png", MASK)
    (tmp_path / "images/photo.jpg").write_bytes(b"x")
    (tmp_path / "images/more").mkdir()
    message = refused(tmp_path)
    for part in (
        "6 problem(s)",
        "alone.png has no mask in masks/",
        "orphan.png is a mask without an image",
        "images/ holds twice.png and twice.tif of one name",
        "masks/ holds masktwice.png and masktwice_mask.png of one name",
        "images/photo.jpg is neither PNG nor TIFF",
        "images/more is a folder",
    ):
        assert part in message
    assert "good" not in message


def test_no_set_no_pictures_no_masks(tmp_path):
    with pytest.raises(InputError, match="There is no image set"):
        images.find_pairs(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no folder masks/"):
        images.find_pairs(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="no picture"):
        images.find_pairs(tmp_path)


@pytest.mark.parametrize(
    "mask", [MASK, MASK * 255, MASK > 0, MASK.astype(np.float32), np.zeros_like(MASK)]
)
def test_binary_masks_of_every_kind(tmp_path, mask):
    pair(tmp_path, "a", mask=mask, suffix=".tif")
    (picture,) = images.load_pictures(tmp_path)
    assert picture.truth.dtype == np.uint8
    assert np.array_equal(picture.truth, mask > 0)


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (MASK * 128, "0, 128"),
        (MASK + MASK * (GREY > 200), "0, 1, 2"),
        (GREY, "0, 20, 40, 60, 80, 100 …"),
        (MASK.astype(np.float32) / 2, "0, 0.5"),
    ],
)
def test_soft_and_many_valued_masks_are_refused_where_a_binary_one_is_due(tmp_path, mask, found):
    pair(tmp_path, "a", mask=mask, suffix=".tif")
    assert f"a.tif holds the values {found}; expected 0 and 1, or 0 and 255" in refused(tmp_path)


def test_masks_of_another_size_and_damaged_pictures_are_listed_together(tmp_path):
    pair(tmp_path, "small", mask=MASK[:, :3])
    pair(tmp_path, "broken")
    (tmp_path / "images/broken.png").write_bytes(b"no picture")
    pair(tmp_path, "flat", image=MASK > 0)
    message = refused(tmp_path)
    assert "3 problem(s)" in message
    assert "small.png has 3 x 3 pixels, but its image 3 x 4" in message
    assert "broken.png is neither" in message
    assert "flat.png is black and white" in message


def test_a_map_of_labels_becomes_classes(tmp_path):
    labels = np.array([[0, 1, 2, 3]], np.uint8)
    pair(tmp_path, "a", image=GREY[:1], mask=labels)
    (picture,) = images.load_pictures(tmp_path, {0: 0, 1: 1, 2: 1, 3: 0})
    assert picture.truth.tolist() == [[0, 1, 1, 0]]
    message = refused(tmp_path, {0: 0, 1: 1, 2: 2})
    assert "holds the values 0, 1, 2, 3; expected 0, 1, 2" in message
    assert "holds the values 0, 1, 2, 3; expected 0, 7" in refused(tmp_path, {0: 0, 7: 1})


def test_masks_of_left_and_right_lung_are_merged(tmp_path):
    left, right = np.zeros((2, 3, 4), np.uint8)
    left[:, 2:], right[:, :2] = 255, 255
    left[0] = right[0] = 0
    store(tmp_path, "CXR_png/M_1.png", GREY)
    store(tmp_path, "ManualMask/leftMask/M_1.png", left)
    store(tmp_path, "ManualMask/rightMask/M_1.png", right)
    (picture,) = images.load_pictures(tmp_path)
    assert picture.truth.tolist() == [[0] * 4, [1] * 4, [1] * 4]
    (picture,) = images.load_pictures(tmp_path, {0: 0, images.RIGHT: 1, images.LEFT: 2})
    assert picture.truth.tolist() == [[0] * 4, [1, 1, 2, 2], [1, 1, 2, 2]]
    (tmp_path / "ManualMask/leftMask/M_1.png").unlink()
    assert "M_1.png has no mask in ManualMask/leftMask/" in refused(tmp_path)


def test_the_table_says_what_was_found(tmp_path):
    pair(tmp_path, "P1_z003", image=GREY.astype(np.uint16) * 256)
    pair(tmp_path, "P1_z004")
    table = images.integrity_table(images.load_pictures(tmp_path))
    assert table["patient"].tolist() == ["P1", "P1"]
    assert table["type"].tolist() == ["uint16", "uint8"]
    assert table["greatest"].tolist() == [220 * 256, 220]
    assert table["class 1 / %"].tolist() == pytest.approx([50, 50])


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("Case_001_z045", "Case_001"),
        ("ID_0000_Z_0142", "ID_0000"),
        ("pneumococcal-pneumonia-day35", "pneumococcal-pneumonia"),
        ("over-a-week-1-day0-PA", "over-a-week-1"),
        ("ards-day-2", "ards"),
        ("ards-admission", "ards"),
        ("P7_view2", "P7"),
        ("MCUCXR_0001_0", "MCUCXR_0001_0"),
        ("covid-19-pneumonia-28", "covid-19-pneumonia-28"),
        ("person1_virus_6", "person1"),
        ("person1_bacteria_12", "person1"),
        ("IM-0011-0001", "IM-0011"),
        ("IM-0011-0001-0002", "IM-0011"),
        ("41182_2020_203_Fig3_HTML-a", "41182_2020_203"),
        ("_z3", "_z3"),
    ],
)
def test_names_tell_the_patient(name, patient):
    assert images.patient_of(name) == patient


def test_random_names_are_looked_up_in_their_collections_own_table():
    """The COVID-19 image repository has seven pictures of this woman among those with masks."""
    views = ["cb706009", "e1a4f870", "1663b242", "4c0fcf57", "a47dc73e", "d7f2ee0f", "db96a050"]
    assert {images.patient_of(name) for name in views} == {"85901531"}
    assert images.patient_of("b343e657") == images.patient_of("53c9be49") == "042f06a9"
    assert images.patient_of("picture") == "picture" and images.patient_of("00000000") == "00000000"


def test_real_sets_are_read(real_data):
    slices = images.load_pictures(real_data / "ct_png")
    assert len(slices) == 96
    assert {images.patient_of(p.name) for p in slices} == {f"Case_00{n}" for n in range(4)}
    assert {p.image.shape for p in slices} == {(256, 256)}
    xrays = images.load_pictures(real_data / "cxr", {0: 0, 1: 1, 2: 1, 3: 0})
    assert len(xrays) == 32
    assert all(0.05 < p.truth.mean() < 0.6 for p in xrays)
    for name, pictures, patients in (("cxr_children", 216, 123), ("cxr_covid", 83, 47)):
        found = images.load_pictures(real_data / name, {0: 0, 1: 1, 2: 1})
        assert len(found) == pictures
        assert len({images.patient_of(p.name) for p in found}) == patients
