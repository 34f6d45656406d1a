"""Contours of one structure and what they make together; structures that nobody drew; names."""

import numpy as np
import pytest
from contour_builders import BOX, a_volume, circle, drawn, on_slice, rectangle
from rtstruct_factory import contour, item, write_rtstruct
from skimage.draw import polygon2mask

from utils.errors import InputError
from utils.masks.names import region_named
from utils.masks.rtstruct import read_rtstruct, roi_masks

SLICE = (60, 80)


def lungs(tmp_path, contours, edit=None):
    """Slice 2 of the one structure that the contours are, and the notes."""
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours)], edit)
    masks, notes = roi_masks(file, a_volume())
    assert masks["both"].sum() == masks["both"][2].sum()
    return masks["both"][2], notes


def filled(*polygons):
    """Each polygon alone by scikit-image, united."""
    return np.any([polygon2mask(SLICE, polygon) for polygon in polygons], axis=0)


def test_all_items_of_a_structure_are_read(tmp_path):
    """The last item used to be taken for the whole lung."""

    def in_two_items(dataset):
        dataset.ROIContourSequence.append(
            item(ReferencedROINumber=1, ContourSequence=drawn(2, BOX + 30))
        )

    mask, notes = lungs(tmp_path, drawn(2, BOX), in_two_items)
    assert np.array_equal(mask, filled(BOX, BOX + 30)) and mask.sum() == 200
    assert notes == ("The contours of “Lungs” stand in 2 items: joined.",)


@pytest.mark.parametrize("centre", [(30.2, 40.3), (30.2, 55.3), (25.7, 38.1)])
def test_contours_that_overlap_are_united(tmp_path, centre):
    """By the even-odd rule what two of them share was no lung."""
    both = [circle(12, (30.2, 30.3)), circle(12, centre)]
    mask, notes = lungs(tmp_path, drawn(2, *both))
    assert np.array_equal(mask, filled(*both))
    overlap = (filled(both[0]) & filled(both[1])).any()
    said = "“Lungs” has 1 pairs of contours that overlap: united."
    assert notes == ((said,) if overlap else ())


def test_a_hole_is_cut_from_what_it_lies_in_and_from_nothing_else(tmp_path):
    one, other = rectangle(9.5, 9.5, 29.5, 39.5), rectangle(19.5, 29.5, 49.5, 59.5)
    hole, island = rectangle(11.5, 11.5, 24.5, 34.5), rectangle(13.5, 13.5, 15.5, 15.5)
    mask, notes = lungs(tmp_path, drawn(2, island, hole, other, one))
    expected = filled(one) & ~filled(hole) | filled(island) | filled(other)
    assert np.array_equal(mask, expected)
    assert notes == ("“Lungs” has 2 pairs of contours that overlap: united.",)
    within_both = rectangle(20.5, 30.5, 22.5, 32.5)
    mask, _ = lungs(tmp_path, drawn(2, one, other, within_both))
    assert np.array_equal(mask, filled(one, other) & ~filled(within_both))


@pytest.mark.parametrize("again", [BOX, BOX[::-1], np.roll(BOX, 2, axis=0), BOX + 1e-3])
def test_the_same_contour_counts_once(tmp_path, again):
    mask, notes = lungs(tmp_path, drawn(2, BOX, rectangle(11.5, 11.5, 13.5, 13.5), again))
    assert mask.sum() == 100 - 4
    assert notes == ("“Lungs” lists 1 contours twice: taken once.",)


def test_contours_that_exclude_each_other_by_their_type_do(tmp_path):
    """CLOSEDPLANAR_XOR (PS3.3 C.8.8.6.3): what two of them share belongs to neither."""
    both = [BOX, BOX + 5]
    mask, notes = lungs(tmp_path, [contour(on_slice(2, part), "CLOSEDPLANAR_XOR") for part in both])
    assert np.array_equal(mask, filled(BOX) ^ filled(BOX + 5)) and notes == ()


def test_contours_that_enclose_nothing_are_told(tmp_path):
    """The same one twice excludes itself, and one between the voxels' centres holds none."""
    between = rectangle(10.1, 10.1, 10.9, 10.9)
    for contours in ([contour(on_slice(2, BOX), "CLOSEDPLANAR_XOR")] * 2, drawn(2, between)):
        mask, notes = lungs(tmp_path, contours)
        assert not mask.any() and notes == ("The structures called both enclose no voxel.",)


def test_the_type_of_a_contour_may_be_in_small_letters(tmp_path):
    mask, notes = lungs(tmp_path, [contour(on_slice(2, BOX), "closed_planar")])
    assert np.array_equal(mask, filled(BOX)) and notes == ()


def outline(mask):
    """Centres of the rim's voxels, followed clockwise (a border of 8 neighbours)."""
    inside = {tuple(place) for place in np.argwhere(mask)}
    ways = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    place, way, found = min(inside), 0, []
    while len(found) < 2 or (place, way) != found[0]:
        found.append((place, way))
        turns = [(way + turn) % 8 for turn in range(-2 if way % 2 == 0 else -3, 6)]
        way = next(w for w in turns if (place[0] + ways[w][0], place[1] + ways[w][1]) in inside)
        place = (place[0] + ways[way][0], place[1] + ways[way][1])
        if len(found) > 1 and place == found[0][0]:
            break
    return np.array([place for place, _ in found], float)


def test_a_contour_through_the_rims_centres_gives_the_mask_it_was_made_of(tmp_path):
    """As cv2.findContours runs; by the rule for other contours half of the rim was lost."""
    shape = filled(circle(14.3, (30.2, 40.3))) | filled(rectangle(29.5, 20.5, 31.5, 60.5))
    for digits in (6, 3, 2):
        points = np.round(on_slice(2, outline(shape)), digits)
        mask, notes = lungs(tmp_path, [contour(points)])
        assert np.array_equal(mask, shape), digits
        assert len(notes) == 1 and "runs through the centres of voxels" in notes[0]
    hole = [[20, 40], [21, 41], [22, 40], [21, 39]]  # around one voxel, through its neighbours
    mask, _ = lungs(tmp_path, drawn(2, outline(shape), hole))
    shape[21, 40] = False
    assert np.array_equal(mask, shape)


def test_the_rim_does_not_depend_on_the_last_printed_digit(tmp_path):
    """Voxel edges cut at their corners: the cut passes through the centre of a voxel."""
    steps = [[9.5, 10.5], [10.5, 9.5], [19.5, 9.5], [19.5, 17.5], [17.5, 19.5], [9.5, 19.5]]
    exact, notes = lungs(tmp_path, drawn(2, steps))
    assert notes == () and 96 <= exact.sum() <= 99
    rng = np.random.default_rng(8)
    for _ in range(20):
        for digits in (2, 3, 5):
            last = rng.integers(-1, 2, (6, 3)) * [1, 1, 0] * 0.5 * 10.0**-digits
            points = np.round(on_slice(2, steps) + last * 0.98, digits)
            assert np.array_equal(lungs(tmp_path, [contour(points)])[0], exact), digits


def test_a_slice_covered_over_and_over_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.masks.filling.MOST_PAIRS", 5)
    rings = [circle(radius, (30, 40)) for radius in range(3, 9)]
    with pytest.raises(InputError, match="more contours over each other than anybody draws"):
        lungs(tmp_path, drawn(2, *rings))
    whole = [rectangle(-0.4, -0.4, 59.4, 79.4) - [0, 1e-3 * k] for k in range(70)]
    with pytest.raises(InputError, match="covers a slice more than 64 times"):
        lungs(tmp_path, drawn(2, *whole))


@pytest.mark.parametrize("edit", ["no item", "no sequence", "nothing in it"])
def test_what_nobody_drew_is_left_out_beside_drawn_lungs(tmp_path, edit):
    def change(dataset):
        if edit == "no item":
            del dataset.ROIContourSequence[0]
        if edit == "no sequence":
            del dataset.ROIContourSequence[0].ContourSequence

    structures = [("Lungs", []), ("Lung_R", drawn(2, BOX)), ("Lung_L", drawn(2, BOX + 30))]
    file = write_rtstruct(tmp_path / "rt.dcm", structures, change)
    with pytest.warns(UserWarning, match=r"^“Lungs” left out: listed, but without a closed"):
        assert read_rtstruct(file, a_volume()).sum() == 200
    file = write_rtstruct(tmp_path / "rt.dcm", structures[:2], change)
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(InputError, match="only the right lung is there"),
    ):
        read_rtstruct(file, a_volume())


def test_lung_alone_is_both_and_beside_others_it_is_neither(tmp_path):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lung", drawn(2, BOX)), ("Heart", [])])
    with pytest.warns(UserWarning, match="“Lung” alone was taken for both lungs"):
        assert read_rtstruct(file, a_volume()).sum() == 100
    pair = [("Lung", drawn(2, BOX)), ("Lung_L", drawn(2, BOX + 20))]
    masks, notes = roi_masks(write_rtstruct(tmp_path / "rt.dcm", pair), a_volume())
    assert list(masks) == ["left"]
    assert notes == ("“Lung” left out: its side is not told, and others are.",)


TG_263 = ["Lung_RUL", "Lung_RML", "Lung_RLL", "Lung_LUL", "Lung_LLL"]
TOTALSEGMENTATOR = [
    f"lung_{level}_lobe_{side}"
    for side, levels in (("right", "upper middle lower"), ("left", "upper lower"))
    for level in levels.split()
]


@pytest.mark.parametrize("names", [TG_263, TOTALSEGMENTATOR, [n[5:] for n in TG_263]])
def test_five_lobes_make_two_lungs(tmp_path, names):
    boxes = [(name, drawn(2, BOX + np.array([0, 12 * k]))) for k, name in enumerate(names)]
    masks, notes = roi_masks(write_rtstruct(tmp_path / "rt.dcm", boxes), a_volume())
    assert {side: int(mask.sum()) for side, mask in masks.items()} == {"left": 200, "right": 300}
    assert notes == ("2 lobes were united as left lung.", "3 lobes were united as right lung.")
    for missing in range(5):
        some = boxes[:missing] + boxes[missing + 1 :]
        side = "right" if missing < 3 else "left"
        with pytest.raises(InputError, match=f"of the {side} lung there is no {side} .* lobe"):
            read_rtstruct(write_rtstruct(tmp_path / "rt.dcm", some), a_volume())
    whole = [("Lungs", drawn(2, BOX)), boxes[1]]
    masks, notes = roi_masks(write_rtstruct(tmp_path / "rt.dcm", whole), a_volume())
    assert list(masks) == ["both"] and "left out: that lung is there as a whole" in notes[0]


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("LungLT", "left"),
        ("L Lung", "left"),
        ("Lungs, Total", "both"),
        ("Lung^R", "right"),
        ("Pulmo sin.", "left"),
        ("Lunge rechts", "right"),
        ("Upper Lobe of Left Lung", "left upper lobe"),
        ("Middle lobe", "right middle lobe"),
        ("Lungs-GTV", None),  # TG-263: the lungs without the tumour
        ("Lung_L_PRV05", None),
        ("Lung_Ipsi", None),
        ("L", None),
        ("Lobe_L", None),
        ("Upper lobe", None),
        ("l" * 5000 + "x", None),
    ],
)
def test_names_are_read_word_by_word(name, region):
    assert region_named(name) == region
