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
    assert sentences[1] == "The median inside the lungs is 174 HU; expected -950 to -500."


def test_a_scan_without_soft_tissue_is_doubted(chest):
    scan, labels = chest
    scan = dataclasses.replace(scan, hu=np.where(scan.hu == 40, 900, scan.hu).astype(np.int16))
    assert " and 0 % are soft tissue" in only_sentence(scan, labels)


@pytest.mark.parametrize("axis", [1, 2])
def test_the_longer_side_is_the_field_of_view(chest, axis):
    wider = [(0, 0), (0, 0), (0, 0)]
    wider[axis] = (0, 220)  # 520 pixels of 1.2 mm
    hu = np.pad(chest[0].hu, wider, constant_values=-1000)
    message = only_sentence(volume_of(hu, SPACING), np.pad(chest[1], wider))
    assert message.startswith("The field of view measure 624 mm")


def test_slices_askew_are_doubted(chest):
    scan, labels = chest
    angle = np.radians(17)
    about_x = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    assert "17° askew" in only_sentence(volume_of(scan.hu, SPACING, turn=np.array(about_x)), labels)


def test_spacing_unlike_any_seen_is_doubted(chest):
    scan, labels = chest
    sentences = reasons_to_doubt(volume_of(scan.hu, (12.0, 2.4, 2.4)), labels)
    assert [s.split(" measure")[0] for s in sentences[:3]] == [
        "The slices",
        "The pixels",
        "The field of view",
    ]
    assert "expected 1 to 9" in sentences[3]  # as the lungs are then 27 litres


def test_a_missing_lung_is_doubted(chest):
    scan, labels = chest
    one = np.where(labels == 1, 0, labels).astype(np.uint8)
    assert only_sentence(scan, one).startswith("The right lung measures 0.00 litres against 2.3")
    one = np.where(labels == 2, 0, labels).astype(np.uint8)
    assert only_sentence(scan, one).startswith("The left lung measures 0.00 litres against 2.6")


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
    labels[14:] = 0
    assert only_sentence(scan, labels).startswith("The lungs measure 0.49 litres; expected 1 to 9")


def test_pixels_need_not_be_square(chest):
    """900 columns of 0.4 mm are as wide as 300 of 1.2 mm."""
    hu, labels = (np.repeat(array, 3, axis=2) for array in (chest[0].hu, chest[1]))
    assert reasons_to_doubt(volume_of(hu, (5.0, 1.2, 0.4)), labels) == []


@pytest.mark.parametrize(("dense", "doubted"), [(0.45, False), (0.55, True)])
def test_half_of_the_lungs_may_be_dense(chest, dense, doubted):
    scan, labels = chest
    hu = scan.hu.copy()
    hu[(labels > 0) & (np.random.default_rng(0).random(hu.shape) < dense)] = 40
    sentences = reasons_to_doubt(dataclasses.replace(scan, hu=hu), labels)
    assert [s.split(";")[0] for s in sentences] == doubted * [
        "The median inside the lungs is 40 HU"
    ]
