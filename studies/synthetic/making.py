"""The three embedded sets of picture/mask pairs, all synthetic: no person's data is in them.

`python -m studies.synthetic` makes, in half a minute,

    data/synthetic_ct_slices     8-bit slices cut from the phantom's CTs, masks 0/255
    data/synthetic_xrays         8-bit chest X-rays of the same patients, labels 1 right, 2 left
    data/synthetic_tomography    16-bit sections of a porous material, labels 0, 1, 2

The same version gives the same bytes.
"""

import dataclasses
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm.auto import tqdm

from studies.synthetic import tomography, xray
from utils.anatomy import body_in_air
from utils.cases import load_cases, load_masks
from utils.datasets.phantom import PATIENTS, Body, add_vessels
from utils.errors import InputError
from utils.records import parsed, text_of
from utils.workspace import UNFINISHED, shown, workspace, write_json

VERSION = 2  # raise it with every change of the pictures: old sets are then made anew
SEED = 20261
SLICES_A_CASE = 22
VIEWS = 4  # X-rays of each patient
SECTIONS, SECTION_SIZE = 160, 96  # of the material; px
WINDOW = (-1000, 400)  # HU at black and white of the CT slices


def ct_slices():
    """Slices at even distances through every case of the phantom: (name, image, mask)."""
    masks = load_masks("phantom")
    for name, volume in load_cases("phantom").items():
        for z in np.linspace(0, len(volume.hu) - 1, SLICES_A_CASE).round().astype(int):
            low, high = WINDOW
            share = np.clip((volume.hu[z] - np.float32(low)) / (high - low), 0, 1)
            yield f"{name}_z{z:03d}", np.uint8(255 * share), 255 * masks[name][z]


def xrays():
    """VIEWS chest X-rays of every patient of the phantom: (name, image, label map)."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for views in pool.map(xrays_of, PATIENTS):
            yield from views


def xrays_of(patient, size=256):
    """Views of one patient who stands a little differently each time, size x size pixels."""
    torch.set_num_threads(1)  # one process a core is busy already
    rng = np.random.default_rng([patient.number, SEED])
    hu, lung, spacing = standing_patient(patient, rng)
    planes = [xray.attenuation(body_in_air(hu)), lung, xray.chest_cavity(lung)]
    volumes = np.stack([plane.astype(np.float32) for plane in planes])
    volumes[..., [0, -1]] = 0  # beyond the sides of the volume there is air
    views = []
    for number in range(VIEWS):
        turn, tilt = rng.normal(0, (3, 2))
        shadow = torch.from_numpy(xray.project(volumes, spacing, turn, tilt))
        field = rng.uniform(0.93, 1.0) * shadow.shape[1] * spacing[0]  # mm, a square
        shadow = framed(shadow, spacing, field, size, rng.normal(0, 0.02, 2))
        counts = xray.expose(shadow[0], rng, photons=10 ** rng.uniform(4, 5))
        labels = xray.lung_fields(shadow[1], shadow[2], field / size)
        image = xray.develop(counts, local=rng.uniform(0.3, 0.8))
        views.append((f"Case_{patient.number:03d}_view{number}", image, labels))
    return views


def standing_patient(patient, rng):
    """HU without noise, lung (bool), both [slices, rows, cols], and spacing in mm.

    The same anatomy as in the patient's CT, in slices thin enough to be looked at from the side.
    """
    matrix, step = 128, 2.8  # px, mm
    pixel = patient.pixel * patient.matrix / matrix
    count = round((150 - patient.bottom) * patient.scale[2] / step)
    thin = dataclasses.replace(patient, matrix=matrix, pixel=pixel, slices=count, spacing=step)
    body, spacing = Body(thin, rng), np.array((step, pixel, pixel))
    heights = thin.bottom + np.arange(count) * step / thin.scale[2]
    hu, lung = (np.stack(part) for part in zip(*map(body.section, heights.tolist()), strict=True))
    add_vessels(hu, lung, lung > 0.5, thin, spacing, rng)
    return hu, lung > 0.5, spacing


def framed(shadow, spacing, field, size, shift):
    """Cut a square of `field` mm, moved by `shift` of it, out of projections; size x size.

    shadow : [k, rows, cols] in the spacing of the volume. Returns a float32 array.
    """
    extent = torch.tensor([shadow.shape[2] * spacing[2], shadow.shape[1] * spacing[0]])
    zoom = torch.diag(field / extent)
    affine = torch.cat([zoom, torch.tensor(shift)[:, None]], 1)[None].float()
    grid = F.affine_grid(affine, (1, len(shadow), size, size), align_corners=False)
    cut = F.grid_sample(shadow[None], grid, "bicubic", "zeros", align_corners=False)
    return cut[0].clamp_(min=0).numpy()


def sections():
    """SECTIONS sections of a porous two-phase material: (name, image, label map)."""
    for number in range(SECTIONS):
        rng = np.random.default_rng([number, SEED])
        classes, grey = tomography.material(SECTION_SIZE, rng)
        yield f"section_{number:03d}", tomography.tomogram(grey, rng), classes


SETS = {
    "synthetic_ct_slices": (ct_slices, len(PATIENTS) * SLICES_A_CASE),
    "synthetic_xrays": (xrays, len(PATIENTS) * VIEWS),
    "synthetic_tomography": (sections, SECTIONS),
}


def make_set(name: str) -> Path:
    """Make one of SETS in data/<name>, unless it is there already; returns its folder.

    The folder appears when everything in it is written. Raises InputError when there is a
    folder of this name that this function did not make.
    """
    pictures, count = SETS[name]
    folder = workspace() / "data" / name
    stamp = {"generator": "utils.synthetic_images", "version": VERSION, "seed": SEED}
    if folder.exists():
        if _stamp(folder) == stamp:
            return folder
        if _stamp(folder).get("generator") != stamp["generator"]:
            raise InputError(f"{shown(folder)} is not the synthetic set {name}; move it away.")
        shutil.rmtree(folder)  # an older version
    with _written_whole(folder) as unfinished:
        for part in ("images", "masks"):
            (unfinished / part).mkdir()
        for file, image, mask in tqdm(pictures(), desc=name, total=count, unit="picture"):
            Image.fromarray(image).save(unfinished / "images" / f"{file}.png")
            Image.fromarray(mask).save(unfinished / "masks" / f"{file}.png")
        write_json(unfinished / "set.json", stamp)
    return folder


def _stamp(folder):
    """The content of a set's stamp; empty when there is none or it is damaged."""
    try:
        stamp = parsed(text_of(folder / "set.json"), "any")
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


@contextmanager
def _written_whole(folder):
    """Yield a temporary folder beside `folder`, which takes its place if nothing fails.

    An empty folder there is replaced; whoever calls has looked that it holds nothing else.
    """
    temporary = folder.with_name(f"{UNFINISHED}{os.urandom(8).hex()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
