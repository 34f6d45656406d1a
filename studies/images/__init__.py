"""Sets of pictures with masks, PNG or TIFF: pairs, data sets and runs of notebooks 06 and 07."""

# fmt: off
from studies.images.dataset import ImageDataset, equalised, long_epoch, split_by_patient
from studies.images.labels import (
    binary_scores,
    dice_of_classes,
    iou_of_classes,
    matrices,
    mean_dice,
    mean_iou,
)
from studies.images.pairs import Picture, image_folder, integrity_table, load_pictures, patient_of
from studies.images.runs import (
    confusion_of,
    image_datasets,
    image_run_folder,
    picture_masks,
    predict_labels,
)

__all__ = [
    "ImageDataset", "Picture", "binary_scores", "confusion_of", "dice_of_classes", "equalised",
    "image_datasets", "image_folder", "image_run_folder", "integrity_table", "iou_of_classes",
    "load_pictures", "long_epoch", "matrices", "mean_dice", "mean_iou", "patient_of",
    "picture_masks", "predict_labels", "split_by_patient",
]
# fmt: on
