"""Rib cage, spine and shoulders of the synthetic patient (axes in `canvas.py`)."""

import math

import numpy as np

from utils.datasets.phantom.canvas import SHAPES, between, curve, oval

# inside of the rib cage: half-width, front, back
CAGE_WIDTH, CAGE_FRONT, CAGE_BACK = map(curve, ("cage width", "cage front", "cage back"))
SPINE = curve("spine")  # y of the vertebral bodies
# where ribs 1 to 12 and their cartilage end: angle around the chest, 0 behind, 1 in front
RIB_ENDS = np.array([SHAPES["rib ends"][part] for part in ("bone", "cartilage")], np.float32)
VERTEBRA = 23.5  # mm from one vertebra to the next; T1 lies at z = 94


def cage(s):
    """Implicit function of the inside of the rib cage, dented by sternum and spine."""
    dent = 1 + 0.17 * np.exp(-((s.x / 36) ** 2))
    return oval(s.x, s.y * dent, CAGE_WIDTH(s.z), CAGE_FRONT(s.z), CAGE_BACK(s.z), 0.9)


def paint_bone(s, points, radii):
    """Paint a bone along `points`: a hard shell, marrow inside where it is thick."""
    f, window = s.tube(points, radii)
    if window is not None:
        part = s.at(window)
        part.paint(f, 820)
        part.paint(f + 2.8, 130 + 50 * part.noise["fine"])


def paint_shoulders(s):
    """Collar bones, shoulder joints, bones of the raised arms, borders of the blades."""
    for side in (-1, 1):
        for points, radii in SHAPES["shoulder"].values():
            paint_bone(s, [(side * x, y, z) for x, y, z in points], radii)


def paint_ribs(s, patient, flesh, ribcage):
    """Intercostal muscle, ribs sloping down to the front, cartilage, shoulder blades, sternum."""
    front, back = CAGE_FRONT(s.z), CAGE_BACK(s.z)
    shell = (ribcage > -2) & (ribcage < 34)
    part, d, deep = s.at(shell, ("fine", "bend_z")), ribcage[shell], flesh[shell] + 2
    y = (part.y - (front + back) / 2) / (back - front) * 2
    angle = np.arctan2(np.abs(part.x) / CAGE_WIDTH(s.z), y) / np.pi
    drop = np.minimum(angle, 0.8) / 0.8 - 2.0 * np.maximum(angle - 0.8, 0)
    height = 94 + VERTEBRA - s.z - 4 * part.noise["bend_z"] - 4
    rib = (height - 55 * drop) / (VERTEBRA + 14 * drop)
    rib = np.where(rib > 4, (height - 111 * drop) / VERTEBRA, rib)
    number = np.clip(np.round(rib), 1, 12)
    across, along = (rib - number) * (VERTEBRA * 0.9 / 5.8), (d - 6) / 4.1
    f = (np.sqrt(across * across + along * along) - 1) * 4.1
    bone, gristle = RIB_ENDS[:, number.astype(np.intp)]
    part.paint(np.maximum(np.maximum(np.abs(d - 6) - 5, -d), deep), 36 + 12 * part.noise["fine"])
    part.paint(np.maximum(np.abs(d - 12.3) - 0.7, deep), -70)
    part.paint(np.maximum(f, np.maximum((angle - gristle) * 260, deep)), 95)
    end = np.maximum((angle - bone) * 260, deep)
    part.paint(np.maximum(f, end), 780)
    part.paint(np.maximum(f + 1.8, end), 110 + 50 * part.noise["fine"] - (patient.age - 50))
    if -58 < s.z < 88:  # the blade glides on the ribs: a thin plate along their curve
        t = (s.z + 58) / 146
        inner, outer = 0.46 - 0.26 * min(t * 1.7, 1), 0.47 + 0.03 * math.sin(math.pi * t)
        wide = oval(part.x, part.y, CAGE_WIDTH(min(s.z, 44)), front, CAGE_BACK(min(s.z, 30)), 0.9)
        blade = np.abs(wide - 21 + 22 * np.abs(angle - 0.36)) - 1.9
        part.paint(np.maximum(blade, np.maximum((inner - angle), (angle - outer)) * 300), 640)
    s.hu[shell] = part.hu
    if -95 < s.z < 56:
        half = between(s.z, (-95, -80, 8, 15, 50, 56), (4, 14, 16, 25, 27, 18))
        window = s.window(-30, 30, front - 8, front + 24)
        part, y = s.at(window), front / 1.17 - 6
        f = oval(part.x, part.y, half, y - 6, y + 6, 0.3) + 0.5 * part.noise["fine"]
        part.paint(f, 480)
        part.paint(f + 2, 90 + 40 * part.noise["fine"])


def paint_spine(s, patient):
    """Vertebral bodies and discs, canal and cord, arches and processes."""
    y0, level = SPINE(s.z), (94 - s.z) / VERTEBRA
    phase = level - round(level)  # 0 in the middle of a vertebra, ±0.5 in the disc
    neck = min(max((s.z - 60) / 80, 0), 1)
    rx, ry = 20 - 7 * neck, 16 - 5 * neck
    s = s.at(s.window(-50, 50, y0 - 26, y0 + 70))
    x, y, fine, old = s.x, s.y - y0, s.noise["fine"], 1.6 * (patient.age - 50)
    behind = y - ry - 9  # from the middle of the canal
    canal = (np.sqrt((x / 10) ** 2 + (behind / 8.5) ** 2) - 1) * 8
    ring = np.maximum((np.sqrt((x / 16) ** 2 + (behind / 13) ** 2) - 1) * 13, 2 - y)
    arch = np.maximum(ring + (0 if abs(phase) < 0.3 else 4), -canal)
    process = np.maximum(np.abs(x) - 3.4 - 1.5 * fine.clip(0, 1), np.abs(behind - 19) - 16)
    wings = np.abs(behind - 3 - 0.3 * np.abs(x)) - 5.5 - fine
    wings = np.maximum(wings, np.abs(x) - (34 - 8 * neck))
    arch = np.minimum(arch, process + 12 * abs(phase + 0.1))
    arch = np.minimum(arch, wings + 22 * abs(phase + 0.2))
    s.paint(ring - 4, 45)
    s.paint(arch, 640)
    s.paint(arch + 2, 190 + 60 * fine - old)
    s.paint(canal, 12)
    s.paint((np.sqrt((x / 6.5) ** 2 + (behind / 5) ** 2) - 1) * 5, 38)
    waist = 1.06 - 0.16 * math.cos(math.pi * phase) ** 2
    body = oval(x, y, rx * waist, -ry * waist, ry * waist - 1, 1.6)
    if abs(phase) > 0.41:
        s.paint(body, 90 + 8 * fine)
    else:
        s.paint(body, 500)
        s.paint(body + 1.8, (330 if abs(phase) > 0.33 else 150) + 45 * fine - old)
