"""Values and lengths that no body has: noted with the header value that is suspect."""

import numpy as np
import pytest
from body_builders import chest, doubted, written

from utils.alignment import Verdict, check_cases, verdict, write_verdicts
from utils.alignment.verdict import require_aligned
from utils.cases import create_paired_data, load_cases, load_masks
from utils.dicom import read_series
from utils.errors import InputError


@pytest.mark.parametrize(
    ("slope", "intercept", "suspect"),
    [
        ("-1", "24", "RescaleSlope"),
        ("-1", "-1024", "RescaleSlope"),
        ("1e-5", "-1024", "RescaleSlope"),
        ("1e-5", "0", "RescaleSlope"),
        ("1e-320", "-1024", "RescaleSlope"),
        ("2", "-1024", "RescaleSlope"),
        ("0.1", "-1024", "RescaleSlope"),
        ("1", "0", "RescaleIntercept"),
        ("1", "-24", "RescaleIntercept"),
        ("1", "-2048", "RescaleIntercept"),
        ("1", "-600", "RescaleIntercept"),
    ],
)
def test_hounsfield_units_that_no_body_has(tmp_path, slope, intercept, suspect):
    assert doubted(tmp_path, RescaleSlope=slope, RescaleIntercept=intercept) == [suspect]
    note = read_series(tmp_path).notes[-1]
    assert f"slope {float(slope):g}, intercept {intercept}, RescaleType missing" in note


@pytest.mark.parametrize(
    ("options", "suspect"),
    [
        ({"step": 0.3, "SpacingBetweenSlices": "3"}, "ImagePositionPatient"),  # cm
        ({"step": 0.3, "SliceThickness": "3"}, "ImagePositionPatient"),
        (
            {"step": 0.3, "SpacingBetweenSlices": "3", "SliceThickness": None},
            "ImagePositionPatient",
        ),
        ({"step": 30, "SpacingBetweenSlices": "3"}, "ImagePositionPatient"),
        ({"step": 1.5, "SpacingBetweenSlices": "3"}, "ImagePositionPatient"),  # two in one
        ({"pixel": 0.8}, "PixelSpacing"),
        ({"pixel": 80}, "PixelSpacing"),
        ({"pixel": 3.15, "ReconstructionDiameter": "384"}, "PixelSpacing"),  # inches
    ],
)
def test_lengths_that_contradict_one_another(tmp_path, options, suspect):
    assert doubted(tmp_path, **options) == [suspect]


@pytest.mark.parametrize(
    "options",
    [
        {"RescaleType": "HU"},
        {"SpacingBetweenSlices": "3", "ReconstructionDiameter": "384"},
        {"step": 10, "SliceThickness": "1", "SpacingBetweenSlices": "10"},  # thin and far apart
        {"step": 1, "SliceThickness": "5"},  # overlapping
        {"SpacingBetweenSlices": "-3"},
        {"pixel": 3.0, "ReconstructionDiameter": str(512 * 3)},  # cut from a matrix of 512
        {"ReconstructionDiameter": None, "SpacingBetweenSlices": "0"},
    ],
)
def test_ordinary_headers_are_not_doubted(tmp_path, options):
    assert doubted(tmp_path, **options) == []


@pytest.mark.parametrize("count", [2, 3])
def test_stacks_interleaved_without_a_word_in_the_header_show(tmp_path, count):
    hu = chest(8)
    hu += (np.arange(8) % count * 60)[:, None, None] * (hu > 0)
    assert doubted(tmp_path, hu=hu) == ["SeriesInstanceUID"]
    assert f"Every {count}. slice" in read_series(tmp_path).notes[-1]


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """Two cases, of which one has no air, with their masks."""
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path / "work"))
    folder = tmp_path / "data"
    (folder / "Segmentations").mkdir(parents=True)
    for case, intercept in (("a", "-1024"), ("b", "0")):
        written(folder / "Images" / case, RescaleIntercept=intercept)
        np.savez(
            folder / "Segmentations" / f"{case}_seg.npz", masks=(chest() < -500).astype(np.uint8)
        )
    return folder


@pytest.fixture
def judged(dataset, monkeypatch):
    """A function that loads and judges the data set anew: its cases and their verdicts.

    The masks fit so far as the chest's own voxels say: `fits` is what the check finds.
    """

    def judge(fits="aligned"):
        found = Verdict(fits, 0.9, 0.9, 0.2, ())
        monkeypatch.setattr(verdict, "check_case", lambda *pair: found)
        volumes = load_cases(dataset)
        pairs = create_paired_data(volumes, load_masks(dataset))
        return volumes, pairs, check_cases(pairs, volumes)

    return judge


def confirm(dataset, *lines):
    (dataset / "confirmed.txt").write_text("".join(f"{line}\n" for line in lines))


def test_a_doubted_case_is_not_aligned_before_it_is_confirmed_by_name(dataset, judged):
    volumes, _, found = judged()
    assert volumes["a"].doubted == [] and volumes["b"].doubted == ["RescaleIntercept"]
    assert load_cases(dataset)["b"].doubted == ["RescaleIntercept"]  # from the cache
    assert found["a"].verdict == "aligned"
    assert found["b"].verdict == "unconfirmed RescaleIntercept (confirmed.txt)"
    # another case, another value, the beginning of one
    for line in ("a RescaleIntercept", "b RescaleSlope", "b Rescale"):
        confirm(dataset, line)
        assert load_cases(dataset)["b"].doubted == ["RescaleIntercept"]
    confirm(dataset, "a PixelSpacing", "b RescaleIntercept")
    volumes, _, found = judged()
    assert "(confirmed: RescaleIntercept)" in volumes["b"].notes[-1]
    assert volumes["b"].doubted == [] and found["b"].verdict == "aligned"
    assert judged("unrelated")[2]["b"].verdict == "unrelated"


def test_a_verdict_ends_with_the_confirmation_that_it_rests_on(dataset, judged):
    confirm(dataset, "b RescaleIntercept")
    _, pairs, found = judged()
    write_verdicts(dataset, found)
    require_aligned(dataset, pairs)
    confirm(dataset, "b RescaleIntercept", "b PixelSpacing", "a RescaleIntercept")
    require_aligned(dataset, pairs)  # what else is confirmed does not matter
    for lines in ((), ("a RescaleIntercept",), ("b RescaleSlope",)):
        confirm(dataset, *lines)
        require_aligned(dataset, {"a": pairs["a"]})
        with pytest.raises(InputError, match=r": b \(changed since\)\."):
            require_aligned(dataset, pairs)
    (dataset / "confirmed.txt").unlink()
    with pytest.raises(InputError, match=r"b \(changed since\)"):
        require_aligned(dataset, pairs)
