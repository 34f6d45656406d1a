"""A batch in which every third case is broken in another way: nothing of the others is lost."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from chest_builders import ROWS, case, every, filled, stand_in
from dicom_factory import replace_bytes

from utils import predict
from utils.dicom.reader import read_series
from utils.errors import InputError
from utils.masks.npz import load_mask

stand_in = pytest.fixture(stand_in)


def gone(folder):
    case(folder)[5].unlink()


def text(folder):
    case(folder)[-1].write_text("<html>503 Service Unavailable</html>" + chr(0))


def cut(folder):
    path = case(folder)[4]
    path.write_bytes(path.read_bytes()[:-100])


def comma(folder):
    replace_bytes(case(folder, every(RescaleSlope="1.25"))[3], b"1.25", b"1,25")


def two_series(folder):
    case(folder / "a")
    case(folder / "b", every(SeriesInstanceUID="1.2.3"))


def a_folder_in_place_of_the_picture(folder):
    case(folder)
    (folder.parent.parent / "out" / f"{folder.name}.png").mkdir(parents=True)


FAULTS = {
    "1 slice is missing": gone,
    "1-001.dcm is not readable as DICOM": text,
    "truncated pixel data": cut,
    "RescaleSlope is '1,25', not a number": comma,
    "2 series": two_series,
    "Is a directory": a_folder_in_place_of_the_picture,
    "no file, expected": lambda folder: folder.mkdir(),
    "is MR, expected CT": lambda folder: case(folder, every(Modality="MR")),
    "RuntimeError: out of memory": lambda folder: case(folder, filled),
    "MONOCHROME1": lambda folder: case(folder, every(PhotometricInterpretation="MONOCHROME1")),
    "ImageOrientationPatient": lambda folder: case(folder, every(ImageOrientationPatient=[0] * 6)),
    "lie at one position": lambda folder: case(folder, every(ImagePositionPatient=[0, 0, 0])),
    "2 patients": lambda folder: case(
        folder, lambda ds, k: setattr(ds, "PatientID", f"P{min(k, 1)}")
    ),
}


@pytest.mark.usefixtures("stand_in")
class TestBatch:
    def test_thirteen_faults_among_forty_cases_cost_thirteen_cases(self, tmp_path, capsys):
        faults = iter(FAULTS.items())
        said = {}
        for number in range(40):
            name = f"P{number:02d}"
            if number % 3 == 1:
                said[name], broken = next(faults)
                broken(tmp_path / "in" / name)
            else:
                case(tmp_path / "in" / name)
        case(tmp_path / "clean/Case_000")
        predict.predict_folder(tmp_path / "clean", tmp_path / "expected")
        expected = load_mask(tmp_path / "expected/Case_000_seg.npz")
        assert 0.05 < expected.mean() < 0.3 and len(said) == 13
        capsys.readouterr()
        out = tmp_path / "out"
        assert predict.main([str(tmp_path / "in"), "--out", str(out)]) == 1
        table = pd.read_csv(out / "volumes.csv").set_index("case").astype(object).fillna("")
        assert list(table.index) == [f"P{number:02d}" for number in range(40)]
        told, log = capsys.readouterr().err, (out / "predict.log").read_text()
        for name, row in table.iterrows():
            if name in said:
                assert said[name] in row["fault"] and row["fault"].startswith(name)
                assert "predict.log" in row["fault"] and row["fault"] in told
                assert f"{name}\nTraceback" in log
                continue
            assert row["fault"] == "" and (row[["slices", "both"]] > 0).all()
            np.testing.assert_array_equal(load_mask(out / f"{name}_seg.npz"), expected)
            assert (out / f"{name}_seg.dcm").exists() and (out / f"{name}.png").exists()
        kept = {file.name[:3] for file in out.glob("*_seg.npz")} - set(
            table.index[table.fault == ""]
        )
        assert kept == {name for name in said if said[name] == "Is a directory"}

    def test_what_a_case_made_before_its_seg_failed_is_kept(self, tmp_path, monkeypatch):
        """And the table has its row by then: whatever ends the process, only the SEG is missing."""
        case(tmp_path / "in/P01")
        out = tmp_path / "out"

        def stop(*given):
            raise KeyboardInterrupt

        monkeypatch.setitem(predict.WRITERS, "seg", ("_seg.dcm", stop))
        with pytest.raises(KeyboardInterrupt):
            predict.predict_folder(tmp_path / "in", out)
        (row,) = pd.read_csv(out / "volumes.csv").to_dict("records")
        assert row["both"] > 0 and load_mask(out / "P01_seg.npz").any()
        assert (out / "P01.png").exists()

        def refuse(*given):
            raise InputError("P01_seg.dcm: the headers do not suffice; nothing was written.")

        monkeypatch.setitem(predict.WRITERS, "seg", ("_seg.dcm", refuse))
        (out / "P01_seg.dcm").write_bytes(b"of an earlier run")
        table, faults = predict.predict_folder(tmp_path / "in", out)
        assert faults == [] and not (out / "P01_seg.dcm").exists()
        assert table["notes"][0].startswith("There is no seg file: P01_seg.dcm: the headers")


def test_the_lungs_of_these_cases_lie_where_they_were_drawn(tmp_path):
    """The builder itself: HU of slice 6 along the row through both lungs."""
    case(tmp_path / "P01")
    hu = read_series(tmp_path / "P01").hu
    assert hu.shape == (12, ROWS, ROWS)
    assert hu[6, 24, [0, 4, 13, 24, 35]].tolist() == [-1000, 40, -800, 40, -800]
