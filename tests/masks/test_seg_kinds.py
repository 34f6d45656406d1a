"""DICOM SEG as others write it, by highdicom: label maps, compressed, of lobes, of tumours."""

import numpy as np
import pydicom
import pytest
from pydicom.sr.coding import Code
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from seg_builders import by_highdicom, loaded

from utils.errors import InputError
from utils.masks.seg_reader import read_seg, seg_masks

SHAPE = (5, 64, 48)  # JPEG 2000 takes no smaller pictures
ALTERED = Code("49755003", "SCT", "Morphologically Altered Structure")
RIGHT, LEFT = Code("3341006", "SCT", "Right lung"), Code("44029006", "SCT", "Left lung")
LUNG, TISSUE = Code("39607008", "SCT", "Lung"), Code("85756007", "SCT", "Tissue")
NEOPLASM = Code("108369006", "SCT", "Neoplasm")
UPPER, LOWER = Code("45653009", "SCT", "Upper lobe"), Code("90572001", "SCT", "Lower lobe")
TWO = [("Right lung", RIGHT), ("Left lung", LEFT)]


def a_volume(tmp_path):
    return loaded(tmp_path, rows=SHAPE[1], cols=SHAPE[2])


def labels(count=2):
    """Voxels of 0 to `count` without any symmetry."""
    return np.random.default_rng(6).integers(0, count + 1, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_a_label_map_is_read(tmp_path, syntax, bits):
    volume, voxels = a_volume(tmp_path), labels()
    options = {"transfer_syntax_uid": syntax}
    file = by_highdicom(tmp_path, volume, voxels, TWO, "LABELMAP", **options)
    if bits == 16:
        dataset = pydicom.dcmread(file)
        stored = dataset.pixel_array.astype("<u2")
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelData = 15, stored.tobytes()
        dataset["PixelData"].VR = "OW"
        if syntax != ExplicitVRLittleEndian:
            dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(file)
    masks = seg_masks(file, volume)
    assert np.array_equal(masks["right"], voxels == 1)
    assert np.array_equal(masks["left"], voxels == 2)
    assert np.array_equal(read_seg(file, volume), voxels > 0)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless, "one bit"])
def test_compressed_masks_are_read(tmp_path, kind, syntax):
    """OHIF writes RLE of one byte a voxel; FRACTIONAL of 0 and 1 is binary but for its name."""
    volume, voxels = a_volume(tmp_path), labels(1)
    if kind == "BINARY" and syntax in (JPEG2000Lossless, "one bit"):
        options = {} if syntax == "one bit" else {"transfer_syntax_uid": syntax}
        file = by_highdicom(tmp_path, volume, voxels, [("Lungs", LUNG)], kind, **options)
    else:
        file = by_highdicom(
            tmp_path, volume, voxels.astype(float), [("Lungs", LUNG)], "FRACTIONAL",
            transfer_syntax_uid=RLELossless if syntax == "one bit" else syntax,
            max_fractional_value=200 if kind == "FRACTIONAL" else 1,
        )  # fmt: skip
        dataset = pydicom.dcmread(file)
        dataset.SegmentationType = kind
        dataset.save_as(file)
    assert np.array_equal(read_seg(file, volume), voxels)


def test_a_soft_mask_is_refused(tmp_path):
    volume = a_volume(tmp_path)
    soft = np.random.default_rng(2).random(SHAPE)
    file = by_highdicom(tmp_path, volume, soft, [("Lungs", LUNG)], "FRACTIONAL")
    with pytest.raises(InputError, match="values other than 0 and 255"):
        read_seg(file, volume)


def test_a_number_of_no_segment_is_refused(tmp_path):
    volume = a_volume(tmp_path)
    file = by_highdicom(tmp_path, volume, labels(), TWO, "LABELMAP")
    dataset = pydicom.dcmread(file)
    dataset.PixelData = bytes([7]) + dataset.PixelData[1:]
    dataset.save_as(file)
    with pytest.raises(InputError, match="frame 1 is of no segment"):
        read_seg(file, volume)
    dataset.PixelPaddingValue = 7
    dataset.PixelData = dataset.PixelData.replace(b"\0", b"\7")
    dataset.save_as(file)
    assert np.array_equal(read_seg(file, volume), labels() > 0)


@pytest.mark.parametrize(
    ("label", "code", "region"),
    [
        ("Left lung", NEOPLASM, None),  # was read as that lung
        ("Lungs", Code("27925004", "SCT", "Nodule"), None),
        ("Left lung", Code("7309", "FMA", "Right lung"), None),
        ("Left lung", Code("L1", "99HOSPITAL", "Lung left"), "left"),
        ("left lung", TISSUE, "left"),
        ("lungs", TISSUE, "both"),
        ("Segment_1", TISSUE, None),
        ("Segment_1", LUNG, "both"),
        ("Left lung", LUNG, "left"),  # was read as both
        ("Left lung", RIGHT, "right"),
    ],
)
def test_a_code_goes_before_a_label(tmp_path, label, code, region):
    volume, voxels = a_volume(tmp_path), labels(1)
    category = [ALTERED] if code == NEOPLASM else []
    file = by_highdicom(tmp_path, volume, voxels, [(label, code, *category)])
    if region is None:
        with pytest.raises(InputError, match=f"no lung among its segments: {label}. .*39607008"):
            seg_masks(file, volume)
    else:
        assert list(seg_masks(file, volume)) == [region]


def test_a_tumour_beside_a_lung_is_left_out(tmp_path):
    volume, voxels = a_volume(tmp_path), labels()
    segments = [("Right lung", RIGHT), ("Left lung", NEOPLASM, ALTERED)]
    file = by_highdicom(tmp_path, volume, voxels, segments)
    assert np.array_equal(seg_masks(file, volume)["right"], voxels == 1)
    with pytest.raises(InputError, match="only the right lung is there"):
        read_seg(file, volume)


FIVE = [
    ("a", Code("44714003", "SCT", "Upper lobe of left lung")),
    ("b", Code("41224006", "SCT", "Lower lobe of left lung")),
    ("c", Code("42400003", "SCT", "Upper lobe of right lung")),
    ("d", Code("72481006", "SCT", "Middle lobe of right lung")),
    ("e", Code("266005", "SCT", "Lower lobe of right lung")),
]
BY_LABEL = [
    ("lung_upper_lobe_left", UPPER),
    ("lung_lower_lobe_left", LOWER),
    ("lung_upper_lobe_right", UPPER),
    FIVE[3],
    ("lung_lower_lobe_right", LOWER),
]


@pytest.mark.parametrize("lobes", [FIVE, BY_LABEL, [(label, TISSUE) for label, _ in BY_LABEL]])
def test_lobes_are_joined_by_their_codes(tmp_path, lobes):
    lobes = [(label if label != "d" else "RML", code) for label, code in lobes]
    volume, voxels = a_volume(tmp_path), labels(5)
    file = by_highdicom(tmp_path, volume, voxels, lobes)
    with pytest.warns(UserWarning, match="2 lobes were united as left lung"):
        masks = seg_masks(file, volume)
    assert np.array_equal(masks["left"], np.isin(voxels, (1, 2)))
    assert np.array_equal(masks["right"], voxels > 2)
    voxels[voxels == 5] = 0
    file = by_highdicom(tmp_path, volume, voxels, lobes[:4])
    with pytest.raises(InputError, match="of the right lung there is no right lower lobe"):
        seg_masks(file, volume)


def test_a_lobe_whose_label_contradicts_its_code_is_no_lung(tmp_path):
    volume = a_volume(tmp_path)
    file = by_highdicom(tmp_path, volume, labels(1), [("lung_lower_lobe_left", UPPER)])
    with pytest.raises(InputError, match="no lung among its segments"):
        seg_masks(file, volume)


def test_the_kind_may_be_in_small_letters(tmp_path):
    volume = a_volume(tmp_path)
    file = by_highdicom(tmp_path, volume, labels(), TWO, "LABELMAP")
    dataset = pydicom.dcmread(file)
    dataset.SegmentationType = "labelmap"
    dataset.save_as(file)
    assert np.array_equal(read_seg(file, volume), labels() > 0)
