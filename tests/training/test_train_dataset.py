"""From a data set to a run: what is loaded, checked, split and trained, in this order."""

import json

import numpy as np

from utils.cases import Pair
from utils.dataset import split_cases
from utils.settings import Settings
from utils.training import run
from utils.workspace import run_folder

TINY = Settings(image_size=16, pixel_size=1.0, width=2, levels=2, epochs=1, batch_size=4, seed=3)


def test_a_data_set_is_checked_split_and_trained(empty_dataset, monkeypatch):
    hu = np.zeros((4, 16, 16), np.int16)
    pairs = {
        f"Case_{k}": Pair(hu + int(k), (hu == 0).astype(np.uint8), (1.0, 1.0, 1.0))
        for k in "012345"
    }
    asked = []
    monkeypatch.setattr(run, "load_aligned", lambda name: asked.append(name) or ({}, pairs))
    folder = run_folder(empty_dataset, "first", "epochs=1 beta=../1")
    run.train_dataset(empty_dataset, TINY, folder)
    assert asked == [empty_dataset]
    assert (
        folder.parts[-2:] == ("runs", "first,beta=.._1,epochs=1")
        and (folder / "history.csv").is_file()
    )
    expected = split_cases(pairs, 3)
    assert json.loads((folder / "split.json").read_text()) == {
        part: list(names) for part, names in expected.__dict__.items()
    }
    assert run.load_run(folder)[1] == TINY
