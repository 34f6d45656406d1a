"""The twelve synthetic patients: who they are, and how each was scanned."""

import dataclasses


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


# fmt: off
PATIENTS = (
    Patient(0, "M", 61, 1.72, (.91, .92, .94), 14, 1.19, 6.0, 55, 160, shift=(2, -8)),
    Patient(1, "F", 54, 1.60, (.83, .86, .88), 17, 1.15, 5.2, 60, 140, shift=(-4, -6), tilt=3,
            couch=6, contrast=120),
    Patient(2, "M", 70, 1.68, (.91, .95, .90), 9, 1.17, 8.0, 40, 90, shift=(1, -8), inflation=13,
            finding="emphysema", nodules=3, couch=10, bottom=-216),
    Patient(3, "F", 66, 1.57, (.80, .83, .85), 21, 1.12, 5.5, 54, 120, shift=(3, -14),
            intercept=-1000, inflation=-8),
    Patient(4, "M", 58, 1.75, (.92, .94, .95), 15, 1.20, 6.5, 51, 110, shift=(0, -6),
            finding="absent left", nodules=0, contrast=90),
    Patient(5, "F", 35, 1.64, (.82, .82, .91), 13, 1.10, 5.4, 60, 200, shift=(0, -10), signed=False,
            inflation=8, kernel="LUNG"),
    Patient(6, "M", 73, 1.70, (.89, .92, .91), 20, 1.19, 7.0, 46, 70, shift=(-2, -12), tilt=-4,
            finding="effusion right", couch=12),
    Patient(7, "F", 9, 1.33, (.63, .65, .66), 6, 0.84, 3.8, 60, 60, shift=(2, -6), nodules=0,
            padded=True),
    Patient(8, "M", 49, 1.80, (.94, .91, 1.0), 10, 1.20, 7.5, 47, 150, shift=(-3, -5), inflation=10,
            contrast=160, kernel="LUNG"),
    Patient(9, "F", 78, 1.52, (.79, .87, .80), 17, 1.08, 4.8, 58, 50, shift=(2, -8), tilt=2,
            finding="collapsed right", couch=4),
    Patient(10, "M", 16, 1.66, (.82, .80, .88), 7, 1.02, 5.3, 59, 100, shift=(4, -4), nodules=1,
            inflation=4),
    Patient(11, "F", 47, 1.66, (.82, .87, .90), 26, 1.20, 6.0, 53, 80, shift=(0, -14), tilt=-2,
            couch=8, nodules=4),
)
# fmt: on


def small_patient(number=0, matrix=64, slices=20, **changes):
    """Patient `number` on a coarse grid, same field of view and range: for quick tests."""
    full = PATIENTS[number]
    return dataclasses.replace(
        full,
        matrix=matrix,
        slices=slices,
        pixel=full.pixel * full.matrix / matrix,
        spacing=full.spacing * full.slices / slices,
        **changes,
    )
