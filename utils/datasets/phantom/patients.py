"""The twelve synthetic patients: who they are, and how each was scanned."""

import dataclasses
import json
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Patient:
    """Everything that makes one synthetic patient and the way it was scanned."""

    number: int  # Case_<number>, and the seed of all randomness
    sex: str  # "F" or "M"
    age: int  # years
    height: float  # m
    scale: tuple[float, float, float]  # size along (x, y, z) relative to the standard man
    fat: float  # mm under the skin
    pixel: float  # mm
    spacing: float  # mm between slices, which is their thickness too
    slices: int
    dose: int  # tube current in mA; noise goes with 1 / sqrt(dose)
    inflation: float = 0  # mm that the diaphragm stands lower (negative: higher)
    bottom: float = -207  # z of the lowest slice, in mm of the standard man
    shift: tuple[float, float] = (0, 0)  # mm (x, y) from the centre of the image to the patient
    tilt: float = 0  # degrees that the patient is rolled to one side
    couch: float = 0  # mm of mattress between back and couch
    contrast: float = 0  # HU that contrast medium adds to blood
    nodules: int = 2
    finding: str = ""  # or "absent left", "collapsed right", "effusion right", "emphysema"
    kernel: str = "STANDARD"  # or "LUNG": sharper and noisier
    intercept: int = -1024  # RescaleIntercept
    signed: bool = True  # PixelRepresentation 1
    padded: bool = False  # only a disc is reconstructed, -2000 is stored outside
    matrix: int = 256  # rows and columns


def _patient(facts):
    """One of patients.json, whose fields that are not named there are those of everyone."""
    return Patient(**{k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()})


PATIENTS = tuple(map(_patient, json.loads(Path(__file__).with_name("patients.json").read_bytes())))
