"""What a copy still tells of the patient is found, wherever it stands, and is not delivered."""

import re
import shutil

import numpy as np
import pytest
from identity_builders import remaining_identifiers
from plant_builders import PLANTS, SILENT, TEXTS, write_patient
from pydicom import dcmread

from utils.deidentify import copying, deidentify
from utils.deidentify.identity import Identity
from utils.errors import InputError


@pytest.fixture
def original(tmp_path):
    return write_patient(tmp_path / "in")


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    found = Identity()
    found.collect(dcmread(write_patient(tmp_path_factory.mktemp("in")) / "1.dcm"))
    return found


def planting(monkeypatch, plant):
    """Let every object that is written be planted into before it is checked."""
    write = copying.dcmwrite

    def written(path, dataset, **options):
        write(path, dataset, **options)
        plant(path)

    monkeypatch.setattr(copying, "dcmwrite", written)


def test_there_are_enough_plants():
    assert len(PLANTS | SILENT) >= 85


@pytest.mark.parametrize("name", PLANTS)
def test_a_plant_is_found_and_the_copy_is_not_delivered(original, tmp_path, monkeypatch, name):
    planting(monkeypatch, PLANTS[name])
    with pytest.raises(InputError, match=r"its copy was removed.*of the original") as refusal:
        deidentify(original, tmp_path / "copy", "Case_007")
    assert "CT-0001.dcm" in str(refusal.value)
    assert not re.search("zebedee|m(ü|ue?)ller|4711|1961", str(refusal.value).lower()), "no value"
    assert [path.name for path in tmp_path.iterdir()] == ["in"], "nothing is left"


@pytest.mark.parametrize("name", SILENT)
def test_what_a_copy_cannot_hold_is_found_though_it_names_nobody(
    original, tmp_path, monkeypatch, name
):
    planting(monkeypatch, SILENT[name])
    with pytest.raises(InputError, match="its copy was removed"):
        deidentify(original, tmp_path / "copy", "Case_007")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", PLANTS | SILENT)
def test_a_plant_in_the_original_does_not_reach_the_copy(original, tmp_path, name):
    (PLANTS | SILENT)[name](original / "1.dcm")
    try:
        deidentify(original, tmp_path / "copy", "Case_007")
    except InputError:
        assert not (tmp_path / "copy").exists()
        return
    assert remaining_identifiers(original, tmp_path / "copy") == []
    data = b"".join(path.read_bytes() for path in (tmp_path / "copy").iterdir()).lower()
    number = rb"(?<![\d.])0*4711-?77(?!\d)"  # not by chance within a random UID
    name = rb"z\0?e\0?b\0?e\0?d\0?e\0?e|ller|19610523|\.19\.61\."
    assert not re.search(name + b"|" + number, data)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_recognised_without_the_keep_list(identity, text):
    assert identity.in_text(text)


@pytest.mark.parametrize(
    "text",
    ["does it fit", "Lima", "wuchs", "alive", "Boston", "muster", "brie", "5.23", "1961", "47117",
     "147117710", "24.5.1961", "1.2.840.10008.1.2", "HELICAL", "STANDARD", "2024"],
)  # fmt: skip
def test_what_only_looks_like_it_is_no_finding(identity, text):
    assert not identity.in_text(text)


def test_findings_are_delivered_if_told_to(original, tmp_path, monkeypatch):
    planting(monkeypatch, PLANTS["kernel"])
    report = deidentify(original, tmp_path / "copy", "Case_007", despite_findings=True)
    assert report["remaining"] == [
        ("CT-0001.dcm", "ConvolutionKernel", "holds a name of the original")
    ]


def test_places_are_told(original, tmp_path):
    copy = tmp_path / "copy"
    deidentify(original, copy, "Case_007")

    def place(name):
        shutil.copy(copy / "CT-0001.dcm", tmp_path / "CT-0001.dcm")
        (tmp_path / "one").mkdir(exist_ok=True)
        shutil.move(tmp_path / "CT-0001.dcm", tmp_path / "one" / "CT-0001.dcm")
        (PLANTS | SILENT)[name](tmp_path / "one" / "CT-0001.dcm")
        return [row[1] for row in remaining_identifiers(original, tmp_path / "one")]

    size = (copy / "CT-0001.dcm").stat().st_size
    assert place("preamble") == ["preamble"]
    assert place("vendor") == ["Manufacturer"]
    assert place("UTF-8 in UN") == ["(0009,1001)"]
    assert place("bytes after the end") == [f"byte {size:,}"]
    assert place("unused bits")[0].endswith("of the pixels")


def test_other_files_of_a_copy_are_looked_at_too(original, tmp_path):
    copy = tmp_path / "copy"
    deidentify(original, copy, "Case_007")
    shutil.copy(copy / "CT-0001.dcm", copy / "zebedee.dcm")
    (copy / "notes.txt").write_text("?")
    mask = np.zeros((1, 8, 6), np.uint8)
    np.savez_compressed(copy / "A_seg.npz", masks=mask)
    np.savez_compressed(copy / "B_seg.npz", masks=mask, who=np.array([1]))
    (copy / "C_seg.npz").write_bytes((copy / "A_seg.npz").read_bytes() + b"Zebedee")
    report = copy / "deidentification.csv"
    report.write_text(report.read_text() + "Zebedee")
    found = {row[0]: row[2] for row in remaining_identifiers(original, copy)}
    assert sorted(found) == [
        *("B_seg.npz", "C_seg.npz", "deidentification.csv", "notes.txt", "zebedee.dcm"),
    ]
    assert "name" in found["zebedee.dcm"] and "name" in found["deidentification.csv"]


def test_a_case_named_after_the_patient_is_not_delivered(original, tmp_path):
    with pytest.raises(InputError, match="PatientName: holds a number of the original"):
        deidentify(original, tmp_path / "copy", "4711-77")


def test_a_plain_copy_is_full_of_findings(original):
    assert len(remaining_identifiers(original, original)) > 0
