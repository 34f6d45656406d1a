"""Scans unlike those the model has seen, each with the sentence that says so."""

import dataclasses

import numpy as np
import pytest
from volume_builders import volume_of

from utils.anatomy.plausibility import reasons_to_doubt

SPACING = (5.0, 1.2, 1.2)  # mm; 300 pixels are 360 mm


@pytest.fixture
def chest():
    """A scan of 3 + 2.6 litres that nothing is wrong with."""
    hu = np.full((60, 300, 300), -1000, np.int16)
    hu[:, 60:240, 40:260] = 40
    labels = np.zeros(hu.shape, np.uint8)
    labels[10:50, 80:220, 60:125], labels[10:50, 80:220, 180:237] = 1, 2
    hu[labels > 0] = -850
    return volume_of(hu, SPACING), labels


def test_an_ordinary_chest_raises_no_doubt(chest):
    assert reasons_to_doubt(*chest) == []


def only_sentence(scan, labels):
    (sentence,) = reasons_to_doubt(scan, labels)
    return sentence


def test_a_scan_without_lung_is_doubted(chest):
    scan, labels = chest
    assert only_sentence(scan, labels * 0).startswith("No lung was found")


def test_values_that_are_no_hounsfield_units_are_doubted(chest):
    scan, labels = chest
    shifted = dataclasses.replace(scan, hu=scan.hu + np.int16(1024))
    sentences = reasons_to_doubt(shifted, labels)
    assert sentences[0].startswith("Unusual values: 0 % of the voxels are as dark as air")
    assert "Unlike training: median of the lungs 174 HU, expected -950 to -500." in sentences


def test_a_scan_without_soft_tissue_is_doubted(chest):
    scan, labels = chest
    scan = dataclasses.replace(scan, hu=np.where(scan.hu == 40, 900, scan.hu).astype(np.int16))
    assert " and 0 % are soft tissue" in only_sentence(scan, labels)


@pytest.mark.parametrize("axis", [1, 2])
def test_how_wide_the_field_of_view_is_does_not_matter(chest, axis):
    """The network sees millimetres; 520 pixels of 1.2 mm are 624 mm."""
    wider = [(0, 0), (0, 0), (0, 0)]
    wider[axis] = (0, 220)
    hu = np.pad(chest[0].hu, wider, constant_values=-1000)
    assert reasons_to_doubt(volume_of(hu, SPACING), np.pad(chest[1], wider)) == []


def test_slices_askew_are_doubted(chest):
    scan, labels = chest
    angle = np.radians(17)
    about_x = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    turned = volume_of(scan.hu, SPACING, turn=np.array(about_x))
    assert "tilt against the patient's axes 17 degrees" in only_sentence(turned, labels)


def test_spacing_unlike_any_seen_is_doubted(chest):
    scan, labels = chest
    sentences = reasons_to_doubt(volume_of(scan.hu, (12.0, 2.4, 2.4)), labels)
    assert [s.split(", expected")[0] for s in sentences[:3]] == [
        "Unlike training: slices 12 mm",
        "Unlike training: pixels 2.4 mm",
        "Unlike training: both lungs 47.22 litres",
    ]


@pytest.mark.parametrize(("lost", "name", "left"), [(1, "right", "2.30"), (2, "left", "2.62")])
def test_a_missing_lung_is_doubted_and_measured(chest, lost, name, left):
    scan, labels = chest
    one = np.where(labels == lost, 0, labels).astype(np.uint8)
    first, second = reasons_to_doubt(scan, one)
    assert first.startswith(f"The {name} lung measures 0.00 litres against {left}")
    assert second.endswith("ml beside the lungs, or across from them, look like lung: missed?")
    there = (labels == lost).sum() * 7.2e-3  # ml
    assert float(second.split()[0]) == pytest.approx(there, rel=0.03)


def test_lungs_that_leave_the_scan_are_doubted(chest):
    scan, labels = chest
    feet = only_sentence(volume_of(scan.hu[10:], SPACING), labels[10:])
    assert feet.startswith("The lungs reach the scan's feet end")
    assert "the scan's head end" in only_sentence(volume_of(scan.hu[:50], SPACING), labels[:50])
    assert "feet and head end" in only_sentence(volume_of(scan.hu[10:50], SPACING), labels[10:50])


def test_lungs_that_end_one_slice_before_the_scan_are_whole(chest):
    scan, labels = chest
    assert reasons_to_doubt(volume_of(scan.hu[9:51], SPACING), labels[9:51]) == []


def test_too_little_lung_is_doubted(chest):
    scan, labels = chest
    labels = labels.copy()
    labels[14:] = 0  # 4 of 40 slices are left
    little, around, missed = reasons_to_doubt(scan, labels)
    assert around.startswith("Unlike training: tissue just around the lungs")
    assert little == "Unlike training: both lungs 0.4919 litres, expected 1 to 9."
    assert float(missed.split()[0]) == pytest.approx(4427, rel=0.03)


def test_air_elsewhere_in_the_body_is_not_missed_lung(chest):
    """Gas, and a pool like lung that is neither near the lungs nor across from them."""
    scan, labels = chest
    hu = scan.hu.copy()
    hu[2:7, 100:200, 100:180] = -850
    hu[10:50, 100:200, 130:140] = -1000
    assert reasons_to_doubt(volume_of(hu, SPACING), labels) == []


@pytest.mark.parametrize(
    ("gas", "wall", "doubted"), [(-990, 40, 1), (-990, -850, 0), (-850, 40, 0)]
)
def test_gas_that_is_taken_for_lung_is_doubted(chest, gas, wall, doubted):
    """In the bowel tissue surrounds it; a bulla lies in lung."""
    scan, labels = chest[0], chest[1].copy()
    hu = scan.hu.copy()
    box = slice(10, 20), slice(150, 200), slice(70, 110)
    hu[8:22, 140:210, 60:120] = wall
    hu[box] = gas  # 144 ml
    sentences = reasons_to_doubt(volume_of(hu, SPACING), labels)
    told = [float(s.split()[0]) for s in sentences if "empty and walled" in s]
    assert told == [pytest.approx(144, rel=0.1)] * doubted


def test_lungs_that_the_edge_of_the_image_cuts_are_doubted(chest):
    scan, labels = chest
    cut = only_sentence(volume_of(scan.hu[:, :, 70:], SPACING), labels[:, :, 70:])
    assert cut == "The edge of the image cuts the lungs on 40 of 40 slices."
    hu = scan.hu.copy()
    hu[:, :, :70] = -1024  # not reconstructed
    seen = np.where(np.arange(300) < 70, 0, labels).astype(np.uint8)
    assert only_sentence(volume_of(hu, SPACING), seen) == cut


def test_noise_is_measured(chest):
    scan, labels = chest
    noise = np.random.default_rng(0).normal(0, 80, scan.hu.shape)
    (sentence,) = [
        s for s in reasons_to_doubt(volume_of(scan.hu + noise, SPACING), labels) if "noise" in s
    ]
    assert float(sentence.split()[3]) == pytest.approx(75, abs=7)  # as what is beyond 150 is out


def test_a_single_slice_is_no_exception(chest):
    scan, labels = chest
    sentences = reasons_to_doubt(volume_of(scan.hu[30:31], SPACING), labels[30:31])
    assert [s.split()[0] for s in sentences] == ["Unlike", "The"]  # too small, and cut off


def test_pixels_need_not_be_square(chest):
    """900 columns of 0.4 mm are as wide as 300 of 1.2 mm."""
    hu, labels = (np.repeat(array, 3, axis=2) for array in (chest[0].hu, chest[1]))
    assert reasons_to_doubt(volume_of(hu, (5.0, 1.2, 0.4)), labels) == []


@pytest.mark.parametrize(
    ("dense", "doubted"), [(0.15, []), (0.45, ["denser"]), (0.55, ["median", "denser"])]
)
def test_lungs_that_are_dense_are_doubted(chest, dense, doubted):
    scan, labels = chest
    hu = scan.hu.copy()
    hu[(labels > 0) & (np.random.default_rng(0).random(hu.shape) < dense)] = 40
    sentences = reasons_to_doubt(dataclasses.replace(scan, hu=hu), labels)
    assert [s.split()[2] for s in sentences] == doubted
