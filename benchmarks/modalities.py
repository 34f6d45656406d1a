"""Does a second modality help? X-rays alone, and together with CT slices of the same patients.

    python -m benchmarks.modalities          six minutes on one core

One network for both: an image is an image, lung is lung. Both runs take equally many steps; of
the second's pictures half are CT slices. Scored on X-rays of the phantom's validation patients,
by whom the epoch is chosen too; all of it is synthetic. Notebook 05 shows the result,
benchmarks/results/modalities.csv.
"""

import pandas as pd
import torch
from tqdm.auto import tqdm

from benchmarks.loss_study import SEEDS, publish
from benchmarks.results import FOLDER
from benchmarks.study_runs import trained
from studies import images, synthetic
from studies.images import confusion_of, iou_of_classes
from utils import settings
from utils.anatomy import LEFT, RIGHT
from utils.unet import build_unet

SIZE = 96  # px
PICTURES = 192  # in an epoch
LUNGS = {0: 0, RIGHT: 1, LEFT: 1, 3: 0, 255: 1}  # value in a mask -> class


def pictures_of(name, patients=None):
    """Equalised pictures of a set, as in notebook 07; of some patients, or of all."""
    synthetic.make_set(name)
    pictures = images.load_pictures(name, LUNGS)
    return [
        images.equalised(picture)
        for picture in pictures
        if patients is None or images.patient_of(picture.name) in patients
    ]


def repeated(pictures, count):
    """As many pictures as asked for, each of them equally often or once more."""
    return (pictures * (count // len(pictures) + 1))[:count]


def lungs_iou(model, pictures):
    """IoU of the lungs, mean over the pictures of each patient; a Series indexed by patient."""
    matrices = confusion_of(model, images.ImageDataset(pictures, SIZE))
    each = pd.Series([iou_of_classes(matrix)[1].item() for matrix in matrices])
    return each.groupby([images.patient_of(picture.name) for picture in pictures]).mean()


def main():
    torch.set_num_threads(1)
    xrays = pictures_of("synthetic_xrays")
    split = images.split_by_patient([p.name for p in xrays], 1 / 3, seed=2024)
    learn, choose = (
        [p for p in xrays if p.name in part] for part in (split.train, split.validation)
    )
    slices = pictures_of("synthetic_ct_slices", {images.patient_of(p.name) for p in learn})
    half = repeated(learn, PICTURES // 2)
    sets = {
        "X-rays alone": repeated(learn, PICTURES),
        "X-rays and CT slices": half + repeated(slices, PICTURES // 2),
    }
    rows = []
    for name, pictures in sets.items():
        data = [images.ImageDataset(part, SIZE) for part in (pictures, choose)]
        for seed in tqdm(SEEDS, desc=name, unit="run"):
            hyper = settings.preset(
                "quick",
                image_size=SIZE,
                width=8,
                levels=5,
                widest=32,
                epochs=8,
                seed=seed,
                dsc_threshold=0.0,
                flip_columns=True,
                rotate=10,
                shift=0.1,
                zoom=0.2,
            )
            iou = lungs_iou(trained(hyper, *data, build_unet), choose)
            rows.append(pd.DataFrame({"loss": name, "seed": seed, "lungs_iou": iou}))
    publish(pd.concat(rows).rename_axis("case").reset_index(), FOLDER / "modalities.csv", "torch")


if __name__ == "__main__":
    main()
