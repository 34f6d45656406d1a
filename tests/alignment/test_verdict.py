"""The alignment check on lungs whose answer is known, and on real ones."""

import numpy as np
import pytest
from dicom_factory import set_pixels, write_series
from volume_builders import cones

from utils.alignment.__main__ import main
from utils.alignment.placement import best_placements
from utils.alignment.verdict import (
    check_case,
    check_cases,
    correct_mask,
    require_aligned,
    write_verdicts,
)
from utils.cases import Pair, load_cases, load_masks
from utils.errors import InputError


def test_contrast_by_hand():
    hu = np.full((1, 20, 20), 0, np.int16)
    mask = np.zeros((1, 20, 20), np.uint8)
    mask[0, 8:12, 8:12] = 1
    hu[0, 8:12, 8:10] = -800  # half of the mask is lung, none of the rind
    assert best_placements(hu, mask)[0] == 0.5
    hu[:] = -1000  # open air inside and around
    assert best_placements(hu, mask)[0] == 0
    assert np.isnan(best_placements(hu, mask * 0)[0])


@pytest.fixture(scope="module")
def chest():
    return cones()


# name of the verdict -> the fault
FAULTS = {
    "aligned": lambda mask: mask,
    "reversed": lambda mask: mask[::-1],
    "mirrored": lambda mask: mask[:, :, ::-1],
    "flipped up-down": lambda mask: mask[:, ::-1],
    "transposed": lambda mask: mask.swapaxes(1, 2),
    "reversed and mirrored": lambda mask: mask[::-1, :, ::-1],
    "shifted by +1 slices": lambda mask: correct_mask(mask, "shift slices by 1"),
    "shifted by -2 slices": lambda mask: correct_mask(mask, "shift slices by -2"),
    "shifted by +5 slices": lambda mask: correct_mask(mask, "shift slices by 5"),
    "shifted by +4 columns": lambda mask: correct_mask(mask, "shift columns by 4"),
    "unrelated": lambda mask: np.roll(mask[::-1], 32, axis=2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_by_its_name_and_corrected(chest, name):
    hu, mask = chest
    faulty = FAULTS[name](mask)
    verdict = check_case(hu, faulty)
    assert verdict.verdict == name
    if name != "unrelated":
        mended = correct_mask(faulty, *verdict.correction)
        # what was shifted out of the volume is lost, the rest must lie where it was
        assert (mended & ~mask.astype(bool)).sum() == 0
        assert mended.sum() >= 0.6 * mask.sum()


def test_empty_and_full_masks_are_unrelated(chest):
    hu, mask = chest
    assert check_case(hu, np.zeros_like(mask)).verdict == "unrelated"
    assert check_case(hu, np.ones_like(mask)).verdict == "unrelated"


def test_a_symmetric_chest_cannot_tell_left_from_right(chest):
    hu, mask = chest
    both = mask | mask[:, :, ::-1]
    symmetric = np.where(both, -800, np.minimum(hu, hu[:, :, ::-1])).astype(np.int16)
    symmetric[(both == 0) & (symmetric == -800)] = 40
    verdict = check_case(symmetric, both)
    assert verdict.verdict in ("aligned", "mirrored")
    assert verdict.best - verdict.rival < 0.01  # which is how it says that it does not know


@pytest.mark.parametrize("step", ["turn", "flip sideways", "shift slices by two", "shift rows"])
def test_unknown_corrections_are_refused(chest, step):
    with pytest.raises(InputError, match="There is no correction"):
        correct_mask(chest[1], step)


def test_training_needs_good_verdicts(chest, empty_dataset):
    hu, mask = chest
    mm = (3.0, 1.0, 1.0)
    pairs = {"Case_000": Pair(hu, mask, mm), "Case_001": Pair(hu, mask[::-1], mm)}
    with pytest.raises(InputError, match="Run notebook 02 first"):
        require_aligned(empty_dataset, pairs)
    write_verdicts(empty_dataset, check_cases(pairs))
    require_aligned(empty_dataset, {"Case_000": pairs["Case_000"]})
    with pytest.raises(InputError, match=r"Case_001 \(reversed\), Case_002 \(not checked\)"):
        require_aligned(empty_dataset, pairs | {"Case_002": pairs["Case_000"]})


def test_a_verdict_is_one_on_these_voxels_and_this_mask(chest, empty_dataset):
    """After notebook 02 a mask is turned round, or a volume exchanged: it was on another."""
    hu, mask = chest
    mm = (3.0, 1.0, 1.0)
    write_verdicts(empty_dataset, check_cases({"Case_000": Pair(hu, mask, mm)}))
    require_aligned(empty_dataset, {"Case_000": Pair(hu.copy(), mask.copy(), mm)})
    one_less = mask.copy()
    one_less[tuple(np.argwhere(mask)[0])] = 0
    for other in (
        Pair(hu, mask[::-1], mm),
        Pair(hu, one_less, mm),
        Pair(hu[::-1], mask, mm),
        Pair(hu, mask, (3.0, 1.0, 1.1)),
    ):
        with pytest.raises(InputError, match=r"Case_000 \(changed since\).* run notebook 02 again"):
            require_aligned(empty_dataset, {"Case_000": other})


@pytest.mark.parametrize(
    "content",
    ["[", "[1]", '{"Case_000": {}}', '{"Case_000": {"verdict": 1}}', "\xff", '{"a":' * 9999],
)
def test_damaged_verdicts_ask_for_notebook_02_again(empty_dataset, content):
    file = write_verdicts(empty_dataset, {})
    file.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"alignment\.json is .*damaged .* Run notebook 02 again"):
        require_aligned(empty_dataset, {})


def test_command_line_says_which_data_set_is_missing(capsys):
    assert main(["no such data set"]) == 1
    assert "There is no data set" in capsys.readouterr().err


def test_command_line_prints_the_table_and_fails_for_a_bad_case(
    chest, empty_dataset, tmp_path, capsys
):
    hu, mask = chest
    folder = tmp_path / "data/mini"
    (folder / "Segmentations").mkdir()

    def edit(slice_of_chest, k):
        set_pixels(slice_of_chest, hu[k].astype(int) + 1024)
        slice_of_chest.PixelSpacing = [300 / hu.shape[2]] * 2  # a body as wide as a body

    for name, masks in (("Case_000", mask), ("Case_001", mask[::-1])):
        write_series(folder / "Images" / name, len(hu), edit)
        np.savez_compressed(folder / "Segmentations" / f"{name}_seg.npz", masks=masks)
    assert main(["mini"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Case_000  aligned  (contrast ")
    assert lines[1].startswith("Case_001  reversed  (contrast ")
    assert "to correct: flip slices" in lines[1]
    (folder / "Segmentations" / "Case_001_seg.npz").unlink()
    assert main(["mini"]) == 1
    assert "Case_001 has an image but no mask" in capsys.readouterr().err


@pytest.mark.real_data
def test_real_patients_are_aligned_and_every_fault_is_named(real_data, workspace):
    """Every fault on a real patient is caught by its name, another patient's mask too."""
    volumes, masks = load_cases(str(real_data / "lctsc")), load_masks(str(real_data / "lctsc"))
    for name, volume in volumes.items():
        assert check_case(volume.hu, masks[name]).verdict == "aligned", name
    hu, mask = volumes["Case_000"].hu, masks["Case_000"]
    for name in FAULTS:
        if name not in ("unrelated", "shifted by +4 columns"):
            assert check_case(hu, FAULTS[name](mask)).verdict == name
    other = masks["Case_001"][: len(mask)]
    assert check_case(hu, other).verdict == "unrelated"
