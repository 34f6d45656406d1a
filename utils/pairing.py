"""Images and masks joined by the name of their case."""

from utils.errors import InputError


def create_paired_data(volumes, masks):
    """Join images and masks by case: name -> (HU [slices, rows, cols], mask, same shape).

    volumes : name -> Volume. masks : name -> uint8 array. Raises InputError that lists every
    image without mask, mask without image and pair of different shapes.
    """
    problems = [f"{name} has an image but no mask" for name in sorted(set(volumes) - set(masks))]
    problems += [f"{name} has a mask but no image" for name in sorted(set(masks) - set(volumes))]
    for name in sorted(set(volumes) & set(masks)):
        image_shape, mask_shape = volumes[name].hu.shape, masks[name].shape
        if image_shape != mask_shape:
            problems.append(f"{name}: image {image_shape} but mask {mask_shape}")
    if problems:
        raise InputError(
            "Images and masks do not pair: " + "; ".join(problems) + ". Mend the data set's "
            "folders Images/ and Segmentations/ and start again; nothing was written."
        )
    return {name: (volumes[name].hu, masks[name]) for name in sorted(volumes)}
