"""The synthetic patient's inside: heart and great vessels, diaphragm, belly, lungs, airways."""

import numpy as np

from utils.datasets.phantom.canvas import SHAPES, between, ellipsoid, ramp, smooth_union
from utils.datasets.phantom.skeleton import SPINE

HEART, TUBES, SEPTUM = SHAPES["heart"], SHAPES["tubes"], SHAPES["septum"]


def paint_organs(s, body, cage):
    """Paint all that lies inside the rib cage; return the cover of lung, 0 to 1."""
    p = body.patient
    move = 24 if p.finding == "absent left" else 0  # mediastinum, mm to the left
    mediastinum = np.full(s.x.shape, 99, np.float32)
    window = s.window(-80 + move, 98 + move, -130, 80)
    mediastinum[window] = paint_mediastinum(s.at(window), p, cage[window], move)
    below = diaphragm(s, p, cage)
    if s.z < -60:
        paint_belly(s, body, cage, below)
    lung = paint_lung(s, p, cage, mediastinum, below, move)
    paint_airways(s, p, move)
    return s.cover(lung)


def paint_mediastinum(s, patient, cage, move):
    """Paint everything between the lungs; return the implicit function of the lot."""
    z, n, blood = s.z, s.noise, 42 + patient.contrast
    t, middle = midline(s, move)
    outer = np.abs(s.x - middle) - septum(z, t) + 1.5 * n["coarse"]
    if -95 < z < 30:
        for side in (-1, 1):
            hilum = ellipsoid(s, (side * 30 + move, 10, -25), (23, 19, 33))
            outer = smooth_union(outer, hilum + 2 * n["coarse"], 8)
    heart = None
    if -130 < z < 5:
        x, y, h = HEART["centre"]
        heart = ellipsoid(s, (x + move, y, h), HEART["radii"], HEART["axes"]) + 1.4 * n["coarse"]
        atrium = ellipsoid(s, (-26 + move, -18, -46), (24, 29, 36)) + 1.4 * n["coarse"]
        heart = smooth_union(heart, atrium, 8)
        outer = smooth_union(outer, heart - 2.5, 10)
    drawn = []
    for name, (points, radii) in TUBES.items():
        points = [(x + move * (-120 < h < 60), y, h) for x, y, h in points]
        f, window = s.tube(points, radii)
        if window is not None:
            f = f + 0.6 * n["coarse"][window]
            outer[window] = smooth_union(outer[window], f - 2, 5)
            drawn.append((f, 38 if name == "oesophagus" else blood, window))
    s.paint(np.maximum(cage - 0.5, outer), -94 + 45 * np.clip(n["fine"] - 0.9, 0, 2))
    if heart is not None:
        paint_heart(s, heart, cage, blood, move)
    for f, hu, window in drawn:
        s.at(window).paint(f, hu)
    for side in (-1, 1):  # thyroid
        s.ellipsoid((side * 17, -14, 98), (9, 11, 22), 105, 0.6)
    return outer


def midline(s, move):
    """Way from sternum (0) to spine (1), and x of the middle of the mediastinum along it."""
    front = between(s.z, (-120, 0, 60, 101), (-90, -70, -30, 20))
    t = np.clip((s.y - front) / (SPINE(s.z) - front), 0, 1)
    return t, 8 * np.sin(np.pi * t) + move * (1 - t)


def septum(z, t):
    """Half-width of the partition between the lungs at `t` of the way from sternum to spine."""
    widths = [between(z, SEPTUM["heights"], widths) for widths in SEPTUM["widths"]]
    return ramp(t, (0, 0.14, 0.4, 0.65, 1), widths)


def paint_heart(s, heart, cage, blood, move):
    """Muscle, chambers and the fat in the grooves between them."""
    n = s.noise
    inside = np.maximum(heart, cage + 2)
    s.paint(inside, 50)
    walls = np.abs(n["bend_x"] * 9 + n["coarse"] * 2)
    s.paint(np.maximum(inside + 8, 3 - walls), blood + 0.1 * (blood - 42))
    groove = np.abs(s.x - 4 - move - 0.5 * (s.y + 40) + 4 * n["coarse"]) - 4
    s.paint(np.maximum(groove, np.abs(heart + 4) - 4), -70)
    s.paint(np.maximum(heart + 3 - 3.5 * n["coarse"], -1 - heart), -60)


def diaphragm(s, patient, cage):
    """Implicit function of what lies below the diaphragm: two domes, deep sulci at the wall."""
    if s.z > -50:
        return np.full(s.x.shape, 99, np.float32)
    c = np.clip(s.y / 95, -1, 1)
    sulcus = 38 + 20 * c - 4 * np.maximum(c, 0)
    right = np.clip(0.5 - s.x / 30, 0, 1)
    top = -102 + 12 * right - patient.inflation
    if patient.finding == "collapsed right":
        top = top + 26 * right
    dome = 0.005 * ((np.abs(s.x) - 60) ** 2 + (s.y + 8) ** 2)
    height = top - dome - sulcus * np.exp(np.minimum(cage, 0) / 19)
    return s.z - height - 4 * s.noise["bend_z"] - 1.5 * s.noise["coarse"]


def paint_belly(s, body, cage, below):
    """Liver, stomach, spleen, kidneys and bowel in fat, below the diaphragm."""
    z, n, contrast = s.z, s.noise, body.patient.contrast
    room = np.maximum(cage + 0.5, below)
    s.paint(room, 50)
    cavity = np.maximum(cage + 2.5, below * 0.6 + 3)
    s.paint(cavity, -100 + 7 * n["fine"])
    soft = np.abs(n["bend_y"] + 0.6 * n["coarse"]) - 0.42
    s.paint(np.maximum(cavity + 2, soft * 9), 34 + 8 * n["fine"])
    edge = s.x - (54 + 0.75 * (z + 115) - 0.5 * (s.y + 50)) + 5 * n["bend_z"]
    liver = np.maximum(np.maximum(cage + 4, below * 0.5 + 2), edge * 0.6)
    liver = np.maximum(liver, s.y * 0.8 + 0.2 * s.x - 52) + 1.5 * n["coarse"]
    s.paint(liver, 58 + 0.45 * contrast + 3 * n["fine"])
    branches = np.abs(n["bend_x"] + 0.3 * n["coarse"]) * 16 + np.abs(n["bend_z"]) * 12 - 5
    s.paint(np.maximum(branches, liver + 10), 46 + 0.7 * contrast)
    s.ellipsoid((-48, -52, -200), (13, 20, 22), 8, 1.2)  # gallbladder
    s.ellipsoid((92, 40, -152), (21, 38, 44), 52 + 0.6 * contrast, 2)  # spleen
    for side in (-1, 1):  # kidneys in their fat
        s.ellipsoid((side * 56, 50, -236), (32, 30, 54), -98, 1.2)
        s.ellipsoid((side * 56, 50, -236), (24, 22, 46), 36 + contrast, 1.2)
        s.ellipsoid((side * 44, 43, -238), (12, 9, 24), -80, 1.2)
    x, y, h = body.stomach
    s.ellipsoid((x, y, h), (40, 44, 40), 46, 3)
    s.ellipsoid((x, y, h), (35, 39, 36), lambda m: 20 + 22 * np.clip(m["fine"], -1, 2), 3)
    s.ellipsoid((x, y, h), (34, 38, 35), -985, 3, cut=y - 14)
    for centre, radii, gas in body.bowel:
        s.ellipsoid(centre, radii, 38, 1.5)
        inner = [r - 2 for r in radii]
        s.ellipsoid(centre, inner, lambda m: 15 - 130 * np.clip(m["fine"], 0, 1), 1.5)
        s.ellipsoid(centre, inner, -940, 1.5, cut=centre[1] + radii[1] * (2 * gas - 1))
    for points, radii in (TUBES["aorta"], TUBES["inferior vena cava"]):
        f, window = s.tube(points, radii)
        if window is not None:
            s.at(window).paint(np.maximum(f, below[window] * 0.5), 42 + contrast)


def paint_lung(s, patient, cage, mediastinum, below, move):
    """Paint lung, and what fills a chest without it; return the lung's implicit function."""
    n, spine = s.noise, SPINE(s.z)
    column = np.abs(s.x) - 20 - 0.35 * np.maximum(s.y - spine, 0)
    column = np.maximum(column, spine - 19 - s.y)
    chest = np.maximum(np.maximum(cage + 1.2, -mediastinum), -smooth_union(column, mediastinum, 6))
    if s.z < -50:  # the rounded crease keeps the sulcus from ending in a film of lung
        chest = -smooth_union(-chest, below * 0.55, 14)
    right, lung = s.x < midline(s, move)[1], chest
    if patient.finding == "absent left":
        s.paint(np.where(right, 50, chest), 16 + 4 * n["coarse"])
        lung = np.where(right, chest, 50)
    elif patient.finding == "effusion right":
        surface = 34 + 0.28 * (s.z + 60) - 8 * np.exp(-(((s.x + 70) / 40) ** 2))
        fluid = surface + 2 * n["coarse"] - n["level"]  # negative below the fluid's surface
        squeezed = 12 + 30 * np.clip((fluid + 12) / 10, 0, 1)
        s.paint(np.where(right, np.maximum(chest, fluid), 50), squeezed)
        lung = np.where(right, np.maximum(chest, -fluid), chest)
    elif patient.finding == "collapsed right":
        lobe = (s.z + 34) * 0.7 - 0.55 * (s.y - 10) + 4 * n["bend_x"]
        s.paint(np.where(right, np.maximum(chest, lobe), 50), 36 + 6 * n["fine"])
        lung = np.where(right, np.maximum(chest, -lobe), chest)
    s.paint(lung, lung_tissue(s, patient))
    return lung


def lung_tissue(s, patient):
    """HU of air-filled lung: denser towards the ground, mottled, with a fissure."""
    n = s.noise
    tissue = -872 + 0.55 * (n["level"] + 5) - 0.5 * patient.inflation + 14 * n["bend_z"]
    tissue = tissue + 11 * n["coarse"] + 15 * n["fine"] + 26 * n["grain"]
    if patient.finding == "emphysema":
        bulla = np.clip(2 * n["coarse"] + 0.016 * (s.z - 20) - 1.8, 0, 1)
        tissue += bulla * (-968 - tissue)
    fissure = np.abs(s.y - 4 + 0.85 * (s.z + 30) + 3 * n["bend_x"]) * 0.75
    return tissue + 120 * s.cover(fissure - 0.4)


def paint_airways(s, patient, move):
    """Windpipe and main bronchi: a thin wall, then air. Clinical lung masks leave them out."""
    wide = 9.3 if patient.sex == "M" else 8.2
    carina = (1 + 0.6 * move, 13, 2)
    trunk = [carina, (1 + 0.3 * move, 2, 50), (0, -10, 95), (0, -22, 130), (0, -25, 200)]
    right = [carina, (-24 + 0.6 * move, 16, -16), (-34 + 0.6 * move, 16, -34), (-40, 18, -58)]
    left = [carina, (24 + move, 19, -18), (40 + move, 22, -28)]
    branches = [(trunk, (wide,) * 5), (right, (8, 7, 6, 4)), (left, (8, 6, 5.5))]
    branches.append(([right[1], (-46 + move, 14, -8)], (5.5, 3.5)))
    if patient.finding != "absent left":
        branches.append(([left[2], (48, 30, -56)], (5, 3.5)))
    tubes = [s.tube(points, radii) for points, radii in branches]
    for grow, hu in ((1.7, 30), (0, -985)):
        for f, window in tubes:
            if window is not None:
                s.at(window).paint(f - grow, hu)
