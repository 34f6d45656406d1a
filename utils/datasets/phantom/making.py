"""The embedded data set: twelve synthetic chest CTs, written as real DICOM series with masks.

Nothing in it comes from a person. `python -m utils.datasets.phantom` writes it to data/phantom:

    Images/Case_000/1-001.dcm …           one CT Image Storage object a slice, head first
    Segmentations/Case_000_seg.npz        `masks`, uint8 0/1 [slices, rows, cols], feet first
    phantom.json                          version and seed of the generator

The same version gives the same bytes.
"""

import functools
import multiprocessing
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm.auto import tqdm

from utils.datasets.phantom.body import Body
from utils.datasets.phantom.patients import PATIENTS
from utils.datasets.phantom.scanner import add_nodules, add_vessels, scan
from utils.datasets.phantom.slices import PADDING, ct_slice
from utils.errors import refusals
from utils.masks import save_mask
from utils.records import read_record
from utils.workspace import shown, workspace, write_json

VERSION = 1  # raise it with every change of the pictures: old sets are then made anew
SEED = 20260
OUTLINED_AT_LEAST = 80  # mm²


def make_patient(patient):
    """CT and lung mask of a synthetic patient.

    Returns int16 HU and uint8 0/1 mask, both [slices, rows, cols], slice 0 at the feet end,
    row 0 in front, column 0 at the patient's right. Outside a reconstructed disc
    (`patients.Patient.padded`) HU is -1024, as after clipping the padding that the files hold.
    """
    p, rng = patient, np.random.default_rng([patient.number, SEED])
    hu, lung, mask = _sections(p, rng)
    spacing = np.array((p.spacing, p.pixel, p.pixel))
    add_vessels(hu, lung, mask, p, spacing, rng)
    add_nodules(hu, mask, spacing, p.nodules, rng)
    sharp = p.kernel == "LUNG"
    noise = 11 * (150 / p.dose) ** 0.5 * (1.5 if sharp else 1)
    scan(hu, p.pixel, noise, (0.55 if sharp else 0.75) * p.pixel, rng)
    hu = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    if p.padded:
        outside = outside_disc(p.matrix)
        hu[:, outside], mask[:, outside] = -1024, 0
    return hu, as_readers_outline(mask, p.pixel)


def as_readers_outline(mask, pixel):
    """Mask without pieces of less than OUTLINED_AT_LEAST in a slice; pixel : mm.

    The lowest tip of a lung crosses a slice in a sliver of a few pixels. Readers do not outline
    those: the smallest contoured slices of the LCTSC patients measure 110 to 210 mm².
    """
    kept = np.zeros_like(mask)
    for slice_mask, slice_kept in zip(mask, kept, strict=True):
        pieces, count = ndimage.label(slice_mask)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1) * pixel**2
        slice_kept[:] = (sizes >= OUTLINED_AT_LEAST)[pieces] & (pieces > 0)
    return kept


def _sections(patient, rng):
    """Ideal HU and cover of lung (float32), and mask (uint8), all [slices, rows, cols].

    A slice sees its middle with weight 1/2 and its two faces, which its neighbours share, with
    1/4 each: about the slice profile of a spiral scan. The mask is drawn on the middle.
    """
    body, step = Body(patient, rng), patient.spacing / patient.scale[2]
    shape = (patient.slices, patient.matrix, patient.matrix)
    (hu, lung), mask = np.zeros((2, *shape), np.float32), np.zeros(shape, np.uint8)
    face = [plane / 4 for plane in body.section(patient.bottom - step / 2)]
    for number in range(patient.slices):
        middle = body.section(patient.bottom + number * step)
        mask[number] = middle[1] > 0.5
        hu[number], lung[number] = (f + m / 2 for f, m in zip(face, middle, strict=True))
        face = [plane / 4 for plane in body.section(patient.bottom + (number + 0.5) * step)]
        hu[number] += face[0]
        lung[number] += face[1]
    return hu, lung, mask


def outside_disc(matrix):
    """Pixels outside the largest disc in the image: bool [rows, cols]."""
    centre = (np.arange(matrix) - (matrix - 1) / 2) ** 2
    return centre[:, None] + centre > (matrix / 2) ** 2


def write_case(patient, images_folder, segmentations_folder):
    """Write one patient: its slices in Case_NNN/, then Case_NNN_seg.npz. Returns the case's name.

    The mask comes last and whole, so a case that has it is complete.
    """
    name = f"Case_{patient.number:03d}"
    folder = Path(images_folder) / name
    shutil.rmtree(folder, ignore_errors=True)  # leftovers of a run that was stopped
    folder.mkdir(parents=True)
    hu, mask = make_patient(patient)
    stored = hu.astype(np.int32) - patient.intercept
    if patient.padded:
        stored[:, outside_disc(patient.matrix)] = PADDING
    stored = stored.astype("<i2" if patient.signed else "<u2")
    # written in no order at all, so that neither folder order nor file times help anyone
    for number in np.random.default_rng(patient.number).permutation(len(hu)):
        dataset = ct_slice(patient, stored, int(number), f"{VERSION} {SEED}")
        dataset.save_as(folder / f"1-{dataset.InstanceNumber:03d}.dcm", enforce_file_format=True)
    save_mask(Path(segmentations_folder) / f"{name}_seg.npz", mask)
    return name


def make_phantom(
    folder: Path | str | None = None, cases: Iterable[int] | None = None, workers: int = 2
) -> Path:
    """Write the data set to `folder` (default: data/phantom of the workspace); returns the folder.

    cases : numbers of the cases wanted, default all. Cases that are there already are kept;
    half-written ones and those of another version are made again. Raises InputError when
    `folder` holds images that this function did not make.
    """
    folder = Path(folder) if folder else workspace() / "data" / "phantom"
    images, masks = folder / "Images", folder / "Segmentations"
    stamp = folder / "phantom.json"
    version = {"generator": "utils.phantom", "version": VERSION, "seed": SEED}
    if stamp.exists() and read_record(stamp, "any", f"Delete {shown(folder)}") != version:
        for mask in masks.glob("Case_*_seg.npz"):
            mask.unlink()
    elif not stamp.exists() and images.exists():
        raise refusals(__file__)("no phantom", shown(folder))
    write_json(stamp, version)
    wanted = PATIENTS if cases is None else [PATIENTS[case] for case in cases]
    missing = [p for p in wanted if not (masks / f"Case_{p.number:03d}_seg.npz").exists()]
    if not missing:
        print(f"The synthetic data set is complete: {len(wanted)} cases in {shown(folder)}.")
        return folder
    write = functools.partial(write_case, images_folder=images, segmentations_folder=masks)
    # spawn: a forked copy of a process that already runs torch's threads can hang
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        written = pool.map(write, missing) if workers > 1 else map(write, missing)
        list(tqdm(written, total=len(missing), desc="synthetic patients", unit="case"))
    return folder
