"""The public collection in small: an archive's folder and index, in place of the network."""

import shutil

import numpy as np
import pandas as pd
from dicom_factory import ROOT, write_series
from rtstruct_factory import contour, write_rtstruct

NAMES = ["LCTSC-Test-S1-101", "LCTSC-Train-S2-001", "LCTSC-Train-S1-001", "LCTSC-Train-S1-002"]
EXPECTED = np.zeros((5, 12, 10))  # the lungs of every patient
EXPECTED[2, 2:8, 1:4] = 1
EXPECTED[3, 5:9, 6:9] = 1


def box(volume_z, rows, cols):
    """Contour around rows [a, b) and columns [a, b) of dicom_factory's grid, in mm."""
    (top, bottom), (left, right) = np.array(rows) - 0.5, np.array(cols) - 0.5
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return contour([(-20 + 0.5 * c, -30 + 0.75 * r, volume_z) for c, r in corners])


class Archive:
    """Stands in for the network: a prepared folder of the archive's structure, and its index."""

    def __init__(self, folder):
        self.folder, self.rows, self.asked = folder, [], []
        for number, name in enumerate(NAMES):
            ct, contours = f"{ROOT}.50.{number}", f"{ROOT}.60.{number}"

            def edit(dataset, _, ct=ct, name=name):
                dataset.SeriesInstanceUID, dataset.PatientID = ct, name

            write_series(folder / ct, edit=edit, rows=12, cols=10)
            # as drawn there: other organs beside the lungs
            structures = [
                ("SpinalCord", [box(-97, (0, 9), (0, 9))]),
                ("Lung_R", [box(-94, (2, 8), (1, 4))]),
                ("Lung_L", [box(-91, (5, 9), (6, 9))]),
            ]
            write_rtstruct(folder / contours / "rt.dcm", structures, series=ct)
            self.rows += [self.row(name, "CT", ct), self.row(name, "RTSTRUCT", contours)]

    def row(self, name, modality, uid):
        sizes = [path.stat().st_size for path in (self.folder / uid).iterdir()]
        return {
            "PatientID": name,
            "Modality": modality,
            "SeriesInstanceUID": uid,
            "instanceCount": len(sizes),
            "series_size_MB": round(sum(sizes) / 1e6, 6),
        }

    def index(self):
        return pd.DataFrame(self.rows)

    def fetch(self, uids, folder):
        self.asked += uids
        for uid in uids:
            shutil.copytree(self.folder / uid, folder / uid, dirs_exist_ok=True)
