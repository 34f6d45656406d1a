"""Training a U-Net: the run and its files, the loop, optimiser and weights."""

# fmt: off
from utils.training.epoch import learn, measure
from utils.training.loop import Trainer
from utils.training.run import load_run, run_fingerprint, train, train_dataset
from utils.training.weights import load_weights, save_weights

__all__ = [
    "Trainer", "learn", "load_run", "load_weights", "measure", "run_fingerprint",
    "save_weights", "train", "train_dataset",
]
# fmt: on
