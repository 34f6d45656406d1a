"""What the notebooks share: rooms, entered by their face (`from utils.dicom import …`), and files.

In the order in which data travels:

    errors        InputError, the one error that a user is meant to read
    records       what is read back, checked at the door
    workspace     where data sets and figures lie, and how a file is written whole
    datasets/     data to begin with: the phantom
    dicom/        a folder of DICOM files into a volume in Hounsfield units
    deidentify/   copies of DICOM folders that do not say whose they are
    masks/        lung masks as files: npz, RTSTRUCT and DICOM SEG
    cases         the cases of a data set: volumes and masks, joined
    anatomy/      what lungs, windpipe and body look like on CT
    alignment/    is this mask the mask of this volume?
    viewer/       the slice viewer: a widget, a page without a kernel, a moving picture
    settings      the hyper-parameters of a run, and their presets
    scale         the network sees millimetres: slices onto pixels of one size, and back
    dataset       patients split, slices gathered in batches
    augment       slices turned, moved, scaled, brightened and blurred
    unet          the network
    losses        what training minimises
    overlap       Dice and its kin: what two masks score, the empty ones too
    runtime/      what the machine can do: devices, memory, several processes
    training/     a run: its epochs, its files, its restart
    inference     a trained network on whole volumes
    evaluation/   how good is it? tables, surfaces, intervals, calibration
    plots/        every figure
    report        the numbers that the report prints (report/build.py makes its PDF)
    cohort        many cases, none of them done twice
    predict       a scan of your own in, lungs out
    workflow      the notebooks, one after the other

Who may import whom is listed in pyproject.toml and held by `make lint`.
"""

import gc

# Imports bring 350,000 objects that stay. Python looks through them after each 700 new ones: for a
# quarter of a second of every start, and a tenth of what `predict` does without the network
gc.set_threshold(10_000, 10, 10)
