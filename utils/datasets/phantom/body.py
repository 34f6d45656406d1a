"""The synthetic patient from the outside: couch, skin, fat, muscle; one section of it all.

All shapes are given for a standard man (axes in `canvas.py`): z = 0 is the carina,
y = 0 the middle of the thorax. A patient stretches them and bends them with smooth noise. The
numbers were set by eye against atlases and CTs: good for a lesson, not for dosimetry.
"""

import math

import numpy as np

from utils.datasets.phantom import canvas, skeleton
from utils.datasets.phantom.canvas import SHAPES, between, curve, ellipsoid, oval, smooth_union
from utils.datasets.phantom.organs import paint_organs
from utils.datasets.phantom.patients import Patient

# muscle under the fat
BODY_WIDTH, BODY_FRONT, BODY_BACK = map(curve, ("body width", "body front", "body back"))


class Body:
    """One patient's anatomy, ready to be cut by `section`."""

    def __init__(self, patient: Patient, rng: np.random.Generator) -> None:
        self.patient = p = patient
        sx, sy, sz = p.scale
        grid = (np.arange(p.matrix) - (p.matrix - 1) / 2) * p.pixel
        along_x, along_y = (grid - p.shift[0]) / sx, (grid - p.shift[1]) / sy
        x, y = np.meshgrid(along_x.astype(np.float32), along_y.astype(np.float32))
        turn = math.radians(p.tilt)
        self.x = x * math.cos(turn) + y * math.sin(turn)
        self.y = y * math.cos(turn) - x * math.sin(turn)
        self.level = y  # gravity does not roll with the patient
        self.pixel = p.pixel / (sx * sy) ** 0.5
        z_range = (p.bottom - 40, p.bottom + p.slices * p.spacing / sz + 40)
        sizes = {"bend_x": 52, "bend_y": 52, "bend_z": 52, "coarse": 21, "fine": 9, "grain": 3.6}
        self.noise = {k: canvas.Noise(rng, v, along_x, along_y, z_range) for k, v in sizes.items()}
        self.empty = empty_room(p, x, y)
        self.stomach = rng.normal((56, -14, -146), (4, 3, 3)).tolist()
        self.bowel = bowel(rng)

    def section(self, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Cut at height z (mm of the standard man): HU and cover of lung, float32 [rows, cols]."""
        p, hu = self.patient, self.empty.copy()
        front, back = min(BODY_FRONT(z), -50) - p.fat - 30, 125 + p.fat
        inside = np.flatnonzero((self.level[:, 0] > front) & (self.level[:, 0] < back))
        rows = slice(inside[0], inside[-1] + 1)
        n = {name: noise(z, rows) for name, noise in self.noise.items()}
        n["level"] = self.level[rows]
        x, y = self.x[rows] + 2.2 * n["bend_x"], self.y[rows] + 2.2 * n["bend_y"]
        s = canvas.Section(x, y, z, self.pixel, n, hu[rows])
        skin, flesh = outline(s, p)
        ribcage = skeleton.cage(s)
        paint_wall(s, p, skin, flesh, ribcage)
        skeleton.paint_shoulders(s)
        ribcage = ribcage + 0.8 * n["coarse"]
        if z < 112:
            skeleton.paint_ribs(s, p, flesh, ribcage)
        half = max(skeleton.CAGE_WIDTH(z), 50)
        window = s.window(-half, half, min(skeleton.CAGE_FRONT(z), -45), skeleton.CAGE_BACK(z))
        lung = np.zeros_like(hu)
        lung[rows][window] = paint_organs(s.at(window), self, ribcage[window])
        skeleton.paint_spine(s, p)
        return hu, lung


def bowel(rng):
    """Haustra of transverse colon and left flexure: (centre, radii, share filled with gas)."""
    loops = []
    for x in np.arange(-85, 91, 15):
        centre = rng.normal((x, -62 - 8 * (abs(x) > 25), -202 + (x / 90) ** 2 * 14), 3.5)
        loops.append((centre.tolist(), rng.uniform(8, 15, 3).tolist(), rng.random() ** 0.7))
    for z in np.arange(-232, -140, 14):
        centre = rng.normal((93, -26, z), 4)
        loops.append((centre.tolist(), rng.uniform(10, 16, 3).tolist(), rng.random()))
    return loops


def outline(s, patient):
    """Implicit functions of the skin and of the flesh under the fat."""
    z, n = s.z, s.noise
    groove = 1 + 0.07 * np.exp(-((s.x / 30) ** 2))  # sternum and spine lie between muscles
    flesh = oval(s.x, s.y * groove, BODY_WIDTH(z), BODY_FRONT(z), BODY_BACK(z), 1.1)
    arm, radii = SHAPES["arm"]
    for side in (-1, 1):
        f, window = s.tube([(side * x, y, h) for x, y, h in arm], radii)
        if window is not None:
            flesh[window] = smooth_union(flesh[window], f, 24)
    flesh = flesh + 1.5 * n["coarse"]
    # fat lies thick on flank and belly, thin on shoulders, arms and neck
    thickness = patient.fat * between(z, (-240, -60, 60, 110), (1.25, 1.0, 0.7, 0.5))
    skin = flesh - thickness * (1 + 0.2 * n["bend_z"])
    if patient.sex == "F" and patient.age > 12 and -140 < z < 20:
        for side in (-1, 1):
            breast = ellipsoid(s, (side * 78, -92, -58), (62, 20 + 0.9 * patient.fat, 64))
            skin = smooth_union(skin, breast, 24)
    if z < 90:
        flat = BODY_BACK(min(z, 40)) - 2 + patient.fat * 0.5  # pressed flat by the couch
        skin = -smooth_union(-skin, flat - s.y, 12)
    return skin, np.maximum(flesh, skin + 2)


def empty_room(patient, x, y):
    """HU of air, mattress, flat top and curved shell of the couch: float32 [rows, cols]."""
    sx, sy, _ = patient.scale
    x, y, hu = x * sx, y * sy, np.full(x.shape, -1000, np.float32)
    top = (111 + patient.fat * 0.5) * sy + 1 + patient.couch
    sag = 430 - np.sqrt(np.maximum(430**2 - x[:1] ** 2, 1))
    sides = np.abs(x) - 205
    for f, value in (
        (np.abs(y - top + patient.couch / 2) - patient.couch / 2, -962),
        (np.maximum(np.abs(y - top - 1) - 0.9, sides), -380),
        (np.maximum(np.abs(y - top - 13) - 0.6, sides), -640),
        (np.abs(y - top - 36 + sag) - 2.2, 110),
    ):
        hu += np.clip(0.5 - f / patient.pixel, 0, 1) * (value - hu)
    return hu


def paint_wall(s, patient, skin, flesh, ribcage):
    """Gown, skin, fat with its strands, muscle with its fat planes."""
    n = s.noise
    if s.z < 70:
        s.paint(np.abs(skin - 4 - 2.5 * n["bend_x"] - 1.2 * n["coarse"]) - 0.4, -780)
    s.paint(skin, 25)
    s.paint(skin + 2, -104 + 6 * n["coarse"] + 30 * np.clip(n["fine"] - 1.4, 0, 1.5))
    if patient.sex == "F" and patient.age > 12 and -125 < s.z < 5:
        gland = np.abs(np.abs(s.x) - 72) + np.abs(s.y + 118) * 1.5 - 34 + 16 * n["fine"]
        s.paint(np.maximum(gland, skin + 9), 25)
    s.paint(flesh, 57 + 5 * n["fine"] - 25 * np.clip(n["coarse"] * n["fine"] - 1, 0, 2))
    # fat planes between muscles run along the wall, branch, and fade in and out
    sheet = np.abs(n["bend_x"] + 0.2 * n["coarse"]) * 16
    if s.z < 80:
        layers = ribcage + 5 * n["bend_y"]
        sheet = np.minimum(sheet, np.abs(layers - 21) * 0.9)
        sheet = np.minimum(sheet, np.abs(layers - 34 - 4 * n["bend_z"]))
    else:
        layers = np.full_like(skin, 99)
        sheet = np.minimum(sheet, np.abs(n["bend_y"] - 0.4 + 0.3 * n["coarse"]) * 16)
    sheet = sheet - 1.9 * np.clip(0.5 + 0.8 * n["coarse"] + 0.4 * n["bend_z"], 0, 1)
    s.paint(np.maximum(sheet, np.maximum(flesh + 0.5, 13 - layers)), -85)
    for side in (-1, 1):  # fat of the armpit, with its vessels and nodes
        pit = ellipsoid(s, (side * 118, -14, 34), (15, 30, 52)) + 6 * n["coarse"]
        fat = -98 + 150 * np.clip(n["fine"] - 0.8, 0, 1)
        s.paint(np.maximum(pit, np.maximum(flesh + 5, 13 - layers)), fat)
        s.ellipsoid((side * 33, -5, 160), (14, 12, 75), -80, 3)  # sheath of the neck's vessels
