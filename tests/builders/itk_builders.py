"""Files as SimpleITK writes them: lossless JPEG, and series converted to other containers."""

import numpy as np
import SimpleITK
from dicom_factory import expected_hu, set_pixels, write_series
from pydicom import dcmread
from pydicom.uid import JPEGLosslessSV1


def compress_losslessly(path):
    """Compress the pixels of a DICOM file of 16 bits in place, as JPEG Lossless."""
    dataset, made = dcmread(path), path.with_suffix(".jpeg.dcm")
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(made))
    writer.Execute(SimpleITK.GetImageFromArray(dataset.pixel_array.astype(np.uint16)[None]))
    compressed = dcmread(made)
    made.unlink()
    assert compressed.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    dataset.PixelData = compressed.PixelData
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.save_as(path)


def with_air(dataset, k):
    """Edit for `write_series`: values of which some are air; each names its voxel."""
    rows, cols = dataset.Rows, dataset.Columns
    set_pixels(dataset, expected_hu(k + 1, rows, cols)[k] - 900 + 1024)


def convert(folder, file, change=lambda image: image, **shape):
    """Write a series with air into `folder`, and the same by SimpleITK as one file."""
    paths = write_series(folder, edit=with_air, **shape)
    image = SimpleITK.ReadImage([str(path) for path in paths])
    lower = file.with_name(file.name.lower())  # SimpleITK knows no .MHA when it writes
    SimpleITK.WriteImage(change(image), str(lower))
    return lower.rename(file)
