"""RTSTRUCT contours into masks: analytic shapes, a second implementation, and what is refused."""

import dataclasses
import re

import numpy as np
import pydicom
import pytest
from dicom_factory import ROOT, SERIES, replace_bytes, with_flipped_bits, write_series
from matplotlib.path import Path as Outline
from pydicom.uid import ExplicitVRLittleEndian
from rtstruct_factory import FRAME, contour, write_rtstruct

from utils.contours import fill_even_odd
from utils.dicom import Volume, read_series
from utils.errors import InputError
from utils.regions import ALIASES
from utils.rtstruct import lung_mask, roi_masks, roi_names

SHAPE = (200, 200)
STEP = (2.5, 0.7, 0.9)  # mm between slices, rows and columns
ORIGIN = np.array([-90.0, -60.0, -300.0])


def a_volume(shape=(6, 60, 80), code="HPL"):
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, STEP[2]], [0, STEP[1], 0], [STEP[0], 0, 0]])
    affine[:3, 3] = ORIGIN
    identity = {"series_uid": SERIES, "frame_of_reference_uid": FRAME, "stored_axes": code}
    return Volume(np.zeros(shape, np.int16), STEP, affine, identity)


def in_mm(k, polygon, depth=0.0):
    """Points in mm of a polygon [n, 2] given in (row, col) voxels on slice k."""
    rows, cols = np.asarray(polygon, float).T
    return np.column_stack(
        [
            ORIGIN[0] + STEP[2] * cols,
            ORIGIN[1] + STEP[1] * rows,
            np.full(len(rows), ORIGIN[2] + STEP[0] * (k + depth)),
        ]
    )


def drawn(k, *polygons, depth=0.0):
    return [contour(in_mm(k, polygon, depth)) for polygon in polygons]


def circle(radius, centre=(100.0, 100.0), points=720):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([np.sin(angle), np.cos(angle)]) * radius + centre


def rectangle(top, left, bottom, right):
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)


def keyhole(outer, inner):
    """Ring as one polygon: out along the outer, over a bridge, back along the inner."""
    return np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])


RING = [circle(70), circle(35)]
DIAMOND = circle(80, points=4)
SHAPES = {
    # name: contours, area and outline length in voxels
    "circle": ([circle(70)], np.pi * 70**2, 2 * np.pi * 70),
    "ring": (RING, np.pi * (70**2 - 35**2), 2 * np.pi * 105),
    "keyhole ring": ([keyhole(*RING)], np.pi * (70**2 - 35**2), 2 * np.pi * 105),
    "two pieces": (
        [circle(30, (60, 60)), rectangle(120.25, 110.5, 150.75, 190.125)],
        np.pi * 900 + 30.5 * 79.625,
        2 * np.pi * 30 + 2 * (30.5 + 79.625),
    ),
    "rotated square": ([DIAMOND], 2 * 80**2, 4 * 80 * np.sqrt(2)),
    "island in a hole": (
        [circle(80), circle(60), circle(20)],
        np.pi * (6400 - 3600 + 400),
        2 * np.pi * 160,
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_area_of_a_shape(name):
    """One mask is off by less than the outline's length (Jarník 1925: lattice points in a closed
    curve); the mean over sub-pixel shifts by less than 0.05 %, so that no border is favoured."""
    contours, area, length = SHAPES[name]
    shifts = [(dr, dc) for dr in np.arange(8) / 8 + 1 / 16 for dc in np.arange(8) / 8 + 1 / 16]
    found = [
        int(fill_even_odd([points + shift for points in contours], SHAPE).sum()) for shift in shifts
    ]
    assert np.abs(np.array(found) - area).max() < length
    assert abs(np.mean(found) / area - 1) < 5e-4


@pytest.mark.parametrize("name", SHAPES)
def test_a_second_implementation_draws_the_same(name):
    contours, _, _ = SHAPES[name]
    shift = (0.123, 0.457)  # no voxel centre lies on an outline, where the two may differ
    centres = np.stack(np.indices(SHAPE), axis=-1).reshape(-1, 2)
    inside = np.zeros(len(centres), int)
    for points in contours:
        outline = np.concatenate([points, points[:1]]) + shift
        inside += Outline(outline, closed=True).contains_points(centres)
    drawing = fill_even_odd([points + shift for points in contours], SHAPE)
    assert np.array_equal(drawing, (inside % 2).reshape(SHAPE))


def test_shapes_that_share_an_edge_share_no_voxel():
    """Edges through voxel centres: each centre belongs to one of the neighbours."""
    pieces = [rectangle(2, 2, 8, 10), rectangle(2, 10, 8, 15), rectangle(8, 2, 12, 15)]
    drawings = sum(fill_even_odd([piece], (20, 20)).astype(int) for piece in pieces)
    expected = np.zeros((20, 20), int)
    expected[2:12, 2:15] = 1
    assert np.array_equal(drawings, expected)
    assert np.array_equal(fill_even_odd(pieces, (20, 20)), expected)


def test_a_bridge_through_voxel_centres_leaves_no_trace():
    outer, inner = rectangle(2.5, 2.5, 17.5, 17.5), rectangle(6.5, 6.5, 13.5, 13.5)
    bridge = [[2.5, 8], [6.5, 8]]
    polygon = np.concatenate([outer[:1], bridge, inner[[1, 2, 3, 0]], bridge[::-1], outer[1:]])
    expected = np.zeros((20, 20), np.uint8)
    expected[3:18, 3:18] = 1
    expected[7:14, 7:14] = 0
    assert np.array_equal(fill_even_odd([polygon], (20, 20)), expected)


def test_random_polygons_with_many_crossings():
    rng = np.random.default_rng(4)
    for _ in range(20):
        points = rng.uniform(-10, 50, (7, 2))
        drawing = fill_even_odd([points], (40, 40))
        for row, col in rng.integers(0, 40, (30, 2)):
            # the crossings of a ray to the right, one edge at a time
            ends = np.roll(points, -1, axis=0)
            crossings = sum(
                (a[0] > row) != (b[0] > row)
                and a[1] + (row - a[0]) / (b[0] - a[0]) * (b[1] - a[1]) > col
                for a, b in zip(points, ends, strict=True)
            )
            assert drawing[row, col] == crossings % 2


def test_contours_land_on_their_voxels(tmp_path):
    """Left and right, front and back, feet and head, in millimetres of unequal spacings."""
    left, right = rectangle(9.5, 49.5, 29.5, 69.5), rectangle(19.5, 9.5, 39.5, 19.5)
    file = write_rtstruct(
        tmp_path / "rt.dcm",
        [("Lung_L", drawn(1, left)), ("Heart", drawn(9, left)), ("Lung R", drawn(4, right))],
    )
    masks, notes = roi_masks(file, a_volume())
    expected = {"left": np.zeros((6, 60, 80)), "right": np.zeros((6, 60, 80))}
    expected["left"][1, 10:30, 50:70] = 1
    expected["right"][4, 20:40, 10:20] = 1
    assert set(masks) == set(expected) and notes == ()
    for region, mask in masks.items():
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, expected[region])
    united = lung_mask(file, a_volume())
    assert united.dtype == np.uint8
    assert np.array_equal(united, expected["left"] + expected["right"])


def test_pieces_and_holes_within_a_structure_but_union_of_structures(tmp_path):
    outer, hole = rectangle(9.5, 9.5, 39.5, 39.5), rectangle(19.5, 19.5, 29.5, 29.5)
    names = [("Lt Lung", drawn(2, outer, hole)), ("Left Lung", drawn(2, hole + 5))]
    masks, notes = roi_masks(write_rtstruct(tmp_path / "rt.dcm", names), a_volume())
    expected = np.zeros((60, 80))
    expected[10:40, 10:40] = 1
    expected[20:30, 20:30] = 0
    expected[25:35, 25:35] = 1
    assert np.array_equal(masks["left"][2], expected)
    assert masks["left"].sum() == expected.sum()
    assert notes == ("2 structures were united as left: Lt Lung, Left Lung.",)


def test_a_coronal_series(tmp_path):
    """Files cut from front to back: contours lie in their planes, the mask on the common grid."""
    volume = a_volume((60, 10, 80), code="PFL")
    corners = np.array([[9.5, 19.5], [9.5, 49.5], [29.5, 49.5], [29.5, 19.5]])  # (slice, col)
    index = np.insert(corners, 1, 7, axis=1)
    points = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", [contour(points)])])
    expected = np.zeros((60, 10, 80))
    expected[10:30, 7, 20:50] = 1
    assert np.array_equal(lung_mask(file, volume), expected)


def test_a_series_stored_feet_last_and_prone(tmp_path):
    """A loaded series whose files run otherwise: the contour stays at its place in the patient."""

    def prone(dataset, _):
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]

    write_series(tmp_path / "images", edit=prone, rows=12, cols=10)
    volume = read_series(tmp_path / "images")
    assert volume.identity["stored_axes"] != "HPL"
    corners = np.array([[2, 3.5, 1.5], [2, 3.5, 4.5], [2, 8.5, 4.5], [2, 8.5, 1.5]])
    points = corners @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    mask = lung_mask(write_rtstruct(tmp_path / "rt.dcm", [("Lungs", [contour(points)])]), volume)
    expected = np.zeros(volume.hu.shape)
    expected[2, 4:9, 2:5] = 1
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("Lung_L", "left"),
        ("Lung L", "left"),
        ("Lt Lung", "left"),
        ("LT_LUNG", "left"),
        ("lung-left", "left"),
        ("Left  Lung", "left"),
        ("Lung_R", "right"),
        ("Rt. Lung", "right"),
        ("lung_right", "right"),
        ("Lungs", "both"),
        ("Both Lungs", "both"),
    ],
)
def test_names_of_the_lungs(tmp_path, name, region):
    box = rectangle(9.5, 9.5, 19.5, 19.5)
    file = write_rtstruct(tmp_path / "rt.dcm", [(name, drawn(0, box))])
    assert list(roi_masks(file, a_volume())[0]) == [region]
    assert roi_names(file) == [re.sub(" +$", "", name)]


@pytest.mark.parametrize("name", ["Heart", "Lung", "PTV_Lung_L", "Lung_L_old", ""])
def test_an_unknown_name_lists_those_of_the_file(tmp_path, name):
    box = drawn(0, rectangle(9.5, 9.5, 19.5, 19.5))
    file = write_rtstruct(tmp_path / "rt.dcm", [("Spinal Cord", box), (name, box)])
    with pytest.raises(InputError, match=f"no lung among its 2 structures: Spinal Cord, {name}"):
        lung_mask(file, a_volume())
    own = {**ALIASES, "spinal cord": "cord"}
    assert list(roi_masks(file, a_volume(), own)[0]) == ["cord"]


def test_one_lung_alone_is_not_both(tmp_path):
    box = drawn(0, rectangle(9.5, 9.5, 19.5, 19.5))
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lung_L", box), ("Lung R2", box)])
    with pytest.raises(InputError, match=r"only the left lung is there.*Lung_L, Lung R2"):
        lung_mask(file, a_volume())


BOX = rectangle(9.5, 9.5, 19.5, 19.5)


@pytest.mark.parametrize(
    ("contours", "found"),
    [
        (drawn(2, BOX, depth=0.6) + drawn(9, BOX), "off the nearest slice .*expected at most 0.5"),
        (drawn(-1, BOX), "1 slice spacings off"),
        (drawn(5, BOX, depth=0.51), "0.51 slice spacings off"),
        (drawn(2, BOX) + drawn(2, BOX + 3, depth=0.4), "on two planes within one slice"),
        ([contour(in_mm(2, BOX) + np.arange(4)[:, None])], "not parallel to the slices"),
        (drawn(2, BOX + 100), "wholly outside the image"),
        (drawn(2, BOX * 1e9), "no place in a scanner"),
        ([], "listed but has no closed contour"),
        (drawn(2, BOX[:2]), "listed but has no closed contour"),
    ],
)
def test_contours_that_do_not_fit(tmp_path, contours, found):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours)])
    with pytest.raises(InputError, match=rf"^rt\.dcm: .*{found}"):
        lung_mask(file, a_volume())


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        (drawn(2, BOX[:2]), "has 1 contours of fewer than 3 points: left out"),
        ([contour(in_mm(2, BOX), "OPEN_PLANAR")], "is OPEN_PLANAR, not closed: left out"),
        (drawn(2, BOX), "lists 1 contours twice: taken once"),
    ],
)
def test_what_is_left_out_is_told(tmp_path, extra, note):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX) + extra)])
    with pytest.warns(UserWarning, match=note):
        mask = lung_mask(file, a_volume())
    assert mask.sum() == mask[2, 10:20, 10:20].sum() == 100


@pytest.mark.parametrize(
    ("contours", "voxels", "note"),
    [
        (drawn(2, BOX, depth=0.5 - 1e-3), 100, "up to 0.50 of a slice spacing off"),
        (drawn(1, BOX) + drawn(4, BOX), 200, r"no contour on 2 slices between its ends \(2, 3\)"),
        (drawn(2, BOX - 15), 25, "reaches beyond the image in 1 contours"),
    ],
)
def test_what_is_doubtful_is_told(tmp_path, contours, voxels, note):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", contours)])
    with pytest.warns(UserWarning, match=note):
        assert lung_mask(file, a_volume()).sum() == voxels


@pytest.mark.parametrize(
    ("references", "found"),
    [
        ({"series": f"{ROOT}.77"}, f"drawn on series {ROOT}.77, but this is {SERIES}"),
        ({"frame": f"{ROOT}.78"}, f"drawn on frame of reference {ROOT}.78, but this is {FRAME}"),
        ({"roi_frame": f"{ROOT}.79"}, f"“Lungs” lies in frame of reference {ROOT}.79"),
        ({"series": "", "frame": ""}, "names neither the series nor the frame of reference"),
    ],
)
def test_another_series_is_refused(tmp_path, references, found):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))], **references)
    with pytest.raises(InputError, match=found):
        lung_mask(file, a_volume())


def test_a_frame_of_reference_alone_is_noted(tmp_path):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))], series="")
    with pytest.warns(UserWarning, match="rests on its frame of reference alone"):
        assert lung_mask(file, a_volume()).sum() == 100
    nameless = a_volume()
    nameless.identity["frame_of_reference_uid"] = ""
    with pytest.raises(InputError, match="names neither"):
        lung_mask(file, nameless)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-76.05", b"-76,05"),
        (b"-76.05", b"abcdef"),
        (b"-76.05", b"nan   "),
        (b"-76.05", b"1e9999"),
        (b"-76.05", b"7_6.05"),
        (b"-76.05", b"-7\\.05"),
        (b"-76.05", b"\xff\xfe\x00\x00\x00\x00"),
        (b"-76.05", b"-7e+99"),
    ],
)
def test_numbers_that_are_none(tmp_path, old, new):
    polygon = [[10, 10], [10, 15.5], [20, 20]]
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, polygon))])
    replace_bytes(file, old, new)
    with pytest.raises(InputError, match="contour 1 of “Lungs”"):
        lung_mask(file, a_volume())


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"NumberOfContourPoints": 2_000_000_000}, "promises 2000000000 points but holds 4"),
        ({"NumberOfContourPoints": -4}, "promises -4 points but holds 4"),
        ({"ContourData": ["1", "2", "3", "4"]}, "4 numbers, not three a point"),
        ({"ContourData": []}, "something other than decimal numbers"),
    ],
)
def test_counts_that_do_not_add_up(tmp_path, entry, found):
    broken = contour(in_mm(2, BOX))
    for keyword, value in entry.items():
        setattr(broken, keyword, value)
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", [broken])])
    with pytest.raises(InputError, match=found):
        lung_mask(file, a_volume())


def test_missing_pieces(tmp_path):
    def without(keyword):
        return lambda dataset: delattr(dataset, keyword)

    for keyword, found in [
        ("StructureSetROISequence", "no lung among its 0 structures: none at all"),
        ("ROIContourSequence", "listed but has no closed contour"),
        ("ReferencedFrameOfReferenceSequence", "names neither"),
        ("Modality", "of modality unknown"),
    ]:
        path = tmp_path / f"{keyword}.dcm"
        file = write_rtstruct(path, [("Lungs", drawn(2, BOX))], without(keyword))
        with pytest.raises(InputError, match=found):
            lung_mask(file, a_volume())


def test_two_structures_of_one_number(tmp_path):
    def same_number(dataset):
        for roi in dataset.StructureSetROISequence:
            roi.ROINumber = 1

    structures = [("Lung_L", drawn(2, BOX)), ("Lung_R", drawn(2, BOX))]
    file = write_rtstruct(tmp_path / "rt.dcm", structures, same_number)
    with pytest.raises(InputError, match="“Lung_R” has no ROI number of its own"):
        lung_mask(file, a_volume())


def test_files_that_are_no_structure_set(tmp_path):
    text_file = tmp_path / "notes.txt"
    text_file.write_text("no DICOM")
    (slice_file,) = write_series(tmp_path / "images", count=1)
    for file, found in [
        (tmp_path / "absent.dcm", "There is no file"),
        (tmp_path, "There is no file"),
        (text_file, "is not DICOM, expected an RTSTRUCT"),
        (slice_file, "of modality CT, expected an RTSTRUCT"),
    ]:
        with pytest.raises(InputError, match=found):
            lung_mask(file, a_volume())


@pytest.mark.parametrize("syntax", ["implicit", "explicit, of undefined length"])
def test_damaged_files_are_refused_or_read_in_full(tmp_path, syntax):
    """Cut anywhere, an RTSTRUCT never gives a smaller lung; scrambled, never another error."""

    def undefined_length(dataset):
        for keyword in ("StructureSetROISequence", "ROIContourSequence"):
            dataset[keyword].value.is_undefined_length = True
            dataset[keyword].is_undefined_length = True
        for roi in dataset.ROIContourSequence:
            roi["ContourSequence"].is_undefined_length = True

    structures = [
        ("Lung_L", [part for k in range(6) for part in drawn(k, BOX)]),
        ("Lung_R", [part for k in range(6) for part in drawn(k, BOX + 30)]),
    ]
    options = {}
    if syntax != "implicit":
        options = {"edit": undefined_length, "syntax": ExplicitVRLittleEndian}
    file = write_rtstruct(tmp_path / "rt.dcm", structures, **options)
    expected, data = lung_mask(file, a_volume()), file.read_bytes()
    assert expected.sum() == 1200
    for end in range(0, len(data), 23):
        file.write_bytes(data[:end])
        try:
            assert np.array_equal(lung_mask(file, a_volume()), expected), end
        except InputError:
            pass
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(150):
        file.write_bytes(with_flipped_bits(data, rng, 4))
        try:
            roi_masks(file, a_volume())
        except InputError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("length", [b"\xfe\xff\xff\xff", b"\0\0\x10\0", b"\xa0\0\0\0"])
def test_an_item_that_swallows_the_next_is_refused(tmp_path, length):
    """pydicom then returns fewer contours and no word: the lungs would end too early."""
    file = write_rtstruct(
        tmp_path / "rt.dcm", [("Lungs", [part for k in range(4) for part in drawn(k, BOX)])]
    )
    assert lung_mask(file, a_volume()).sum() == 400
    data = file.read_bytes()
    contour_type = b"\x06\x30\x42\x00"
    first = data.index(contour_type)
    third = data.index(contour_type, data.index(contour_type, first + 1) + 1)
    file.write_bytes(data[: third - 4] + length + data[third:])
    with pytest.raises(InputError, match="an item of ContourSequence runs into the next: damaged"):
        lung_mask(file, a_volume())


def test_contours_beyond_all_number(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX) + drawn(3, BOX))])
    monkeypatch.setattr("utils.rtstruct.MOST_CONTOURS", 1)
    with pytest.raises(InputError, match="“Lungs” has 2 contours, expected at most 1"):
        lung_mask(file, a_volume())


def test_a_text_of_numbers_without_end_is_not_split(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))])
    monkeypatch.setattr("utils.contours.LONGEST_NUMBER", 1e-5)
    with pytest.raises(InputError, match="has more points than the 100000 expected"):
        lung_mask(file, a_volume())


def test_contours_longer_than_any_drawn_one(tmp_path, monkeypatch):
    file = write_rtstruct(tmp_path / "rt.dcm", [("Lungs", drawn(2, BOX))])
    monkeypatch.setattr("utils.contours.MOST_POINTS", 3)
    with pytest.raises(InputError, match="has 4 points, expected at most 3"):
        lung_mask(file, a_volume())


def test_the_largest_contour_is_filled_in_bounded_memory(monkeypatch):
    """Blocks of edges give what all edges at once give."""
    contours = [circle(70), circle(35)]
    at_once = fill_even_odd(contours, SHAPE)
    monkeypatch.setattr("utils.contours.BLOCK", 7 * SHAPE[0])
    assert np.array_equal(fill_even_odd(contours, SHAPE), at_once)


@pytest.mark.real_data
def test_a_real_structure_set(real_data):
    """Its one CT slice does not reach the left lung; on the whole grid it drew on it does."""
    folder = real_data / "oddities" / "rtstruct"
    volume = read_series(folder)
    file = folder / "rtss.dcm"
    assert "Lt Lung" in roi_names(file)
    with pytest.raises(InputError, match=r"“Lt Lung” has a contour .* off the nearest slice"):
        roi_masks(file, volume)
    affine = volume.affine.copy()
    affine[2, 3] -= 117 * volume.spacing[0]
    whole = dataclasses.replace(
        volume, hu=np.broadcast_to(np.int16(0), (150, 512, 512)), affine=affine
    )
    masks, notes = roi_masks(file, whole)
    assert list(masks) == ["left"] and notes == ()
    litres = masks["left"].sum() * np.prod(volume.spacing) / 1e6
    assert 1.5 < litres < 2.5
    where = np.argwhere(masks["left"]) @ affine[:3, :3].T + affine[:3, 3]
    assert where[:, 0].min() > -10  # patient-left is +x

    dataset = pydicom.dcmread(file)  # matplotlib draws the slices that have a single contour
    roi = next(roi for roi in dataset.ROIContourSequence if roi.ReferencedROINumber == 6)
    by_slice = {}
    for entry in roi.ContourSequence:
        points = np.array(entry.ContourData, float).reshape(-1, 3)
        by_slice.setdefault(round((points[0, 2] - affine[2, 3]) / 3), []).append(points)
    assert set(by_slice) == set(np.flatnonzero(masks["left"].any(axis=(1, 2))))
    centres = np.argwhere(np.ones((512, 512)))[:, ::-1]
    single = [k for k, contours in by_slice.items() if len(contours) == 1][::9]
    assert len(single) > 2
    for k in single:
        outline = Outline((by_slice[k][0][:, :2] - affine[:2, 3]) / volume.spacing[1])
        second = outline.contains_points(centres).reshape(512, 512)
        differing = (second != masks["left"][k]).sum()
        assert differing <= 0.01 * second.sum()  # centres on the very outline
