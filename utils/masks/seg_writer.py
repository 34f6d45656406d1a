"""Masks and predictions as DICOM SEG on the original series; `seg_reader` is the way back.

    write_seg(mask, volume, "Case_000_seg.dcm")
    mask = read_seg("Case_000_seg.dcm", volume)

The object is PS3.3 A.51, made by highdicom; what was written is read back by `seg_reader`,
which owes nothing to highdicom, before it is kept.
"""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import highdicom
import numpy as np
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid
from pydicom.valuerep import DA, TM

from utils.dicom import Volume, frames_of, library_silenced, numbers, read_header, text
from utils.errors import InputError, about
from utils.masks.names import TABLES, refusal
from utils.masks.seg_reader import LUNG, seg_masks
from utils.workspace import written_whole

ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
AI = Code("123110", "DCM", "Artificial Intelligence")
MEANINGS = TABLES["SNOMED CT meanings"]
# What is taken from the series' headers: elements that must be there but may be empty (PS3.3
# C.7.1.1, C.7.2.1), and those that say which slices they are and where they lie
TYPE_2, PLACE = TABLES["type 2"], TABLES["place"]


def write_seg(
    mask: np.ndarray,
    volume: Volume,
    seg_file: Path | str,
    regions: tuple[str, ...] = ("both",),
    algorithm: str | None = None,
) -> None:
    """Write a mask as a binary DICOM SEG that refers to the series of `volume`.

    mask : [slices, rows, cols] on the canonical grid of `volume`, 0 or the number of a region
    (bool, or 1 for the first of `regions`, 2 for the second): `regions=("right", "left")` for a
    label map. algorithm : name of what drew it; None for a person. Raises InputError for a mask
    of other shape or values, and for a series whose files are not there as they were loaded.
    dcm2niix mixes the slices of two regions, in whatever order they are written: give it a file
    of one, or take `write_nifti`; data/README.md says which tools read two.
    """

    def made(labels, sources, order):
        stored = np.ascontiguousarray(volume.on_stored_grid(labels)[order])
        return _segmentation(sources, stored, regions, algorithm)

    write_object("a SEG", made, seg_masks, mask, volume, seg_file, regions)


def write_object(kind, made, read, mask, volume, file, regions):
    """Write what made(labels, sources, order) gives, if read(file, volume) gives the mask back.

    sources, order : of `source_datasets`. kind : what the object is called in messages.
    """
    file = Path(file)
    with about(file.name), library_silenced():
        labels = checked_labels(np.asarray(mask), volume, regions)
        sources, order = source_datasets(volume)
        with written_whole(file) as temporary:
            try:
                dataset = made(labels, sources, order)
                digest = hashlib.sha256(np.ascontiguousarray(labels)).hexdigest()
                _identify(dataset, [digest, *regions, sources[0].SOPInstanceUID])
                dataset.save_as(temporary, enforce_file_format=True)
            except (OSError, MemoryError):
                raise
            except Exception as error:  # highdicom and pydicom may raise nearly anything
                raise refusal("headers", kind, error) from None
            written = read(temporary, volume)
            for number, region in enumerate(regions, 1):
                if ((labels == number) != written.get(region, 0)).any():
                    raise InputError("it does not read back as it was written")


def _identify(dataset, content):
    """Set an object's time, $SOURCE_DATE_EPOCH (s since 1970) or now, and UIDs that follow from it.

    And from the content: so the same mask is the same bytes (reproducible-builds.org).
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now()
    told = [dataset.SOPClassUID, now.isoformat(), *content]
    uids = [generate_uid(entropy_srcs=[part, *told]) for part in ("object", "series", "dimensions")]
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dimensions = uids
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for what in ("InstanceCreation", "Content", "StructureSet"):
        if f"{what}Date" in dataset:
            setattr(dataset, f"{what}Date", f"{now:%Y%m%d}")
            setattr(dataset, f"{what}Time", f"{now:%H%M%S.%f}")
    for item in dataset.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = f"{now:%Y%m%d%H%M%S.%f}"
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in dataset.get(sequence, []):
            item.DimensionOrganizationUID = dimensions


def checked_labels(mask, volume, regions):
    """The mask as uint8 labels, if shape and values are those of `regions` on `volume`."""
    if mask.shape != volume.hu.shape:
        raise refusal("shape of labels", mask.shape, volume.hu.shape)
    labels = mask.astype(np.uint8, copy=False) if mask.dtype.kind in "buif" else None
    if labels is None or (labels != mask).any() or labels.max() > len(regions):
        raise refusal("values of labels", len(regions), ", ".join(regions))
    return labels


def source_datasets(volume):
    """Headers of the source files, and the slice of the stored grid that each frame is."""
    if not volume.files:
        raise refusal("no source files")
    headers = []
    for path in dict.fromkeys(map(Path, volume.files)):
        header = read_header(path, path.name) if path.is_file() else None
        if header is None:
            raise InputError(f"the source file {path} is gone. Load the series again")
        headers.append(header)
    frames = [frame for header in headers for frame in frames_of(header)]
    unplaced = [frame.name for frame in frames if frame.position is None]
    if unplaced:
        raise InputError(f"{unplaced[0]} has no ImagePositionPatient, which a SEG needs")
    index = volume.stored_index(np.array([frame.position for frame in frames]))
    order = np.rint(index[:, 0]).astype(int)
    own = {header.facts.series_uid for header in headers} == {volume.identity["series_uid"]}
    placed = np.abs(index - np.insert(np.zeros((len(order), 2)), 0, order, axis=1)).max() < 0.5
    if not (own and placed and sorted(order) == list(range(volume.stored_shape[0]))):
        raise InputError("the source files are not as they were loaded. Load the series again")
    step = volume.spacing["HPL".index(volume.stored_axes[0])]
    reference = generate_uid(entropy_srcs=[volume.identity["series_uid"]])
    return [_essence(header, step, reference) for header in headers], order


def _essence(header, step, frame_of_reference):
    """What a SEG needs of a source image, its texts in UTF-8; whatever else is wrong stays behind.

    step : mm, in place of a SliceThickness that is none; frame_of_reference : in place of a UID.
    """
    kept = Dataset()
    for keyword in PLACE:
        if keyword in header.dataset:
            kept[keyword] = header.dataset[keyword]
    for keyword in TYPE_2:
        setattr(kept, keyword, _if_valid(keyword, text(header.dataset, keyword)))
    kept.SpecificCharacterSet, kept.SOPClassUID = "ISO_IR 192", header.facts.sop_class
    thickness = numbers(header.dataset, "SliceThickness") or [0]
    kept.SliceThickness = thickness[0] if thickness[0] > 0 else step
    kept.FrameOfReferenceUID = header.facts.frame_of_reference_uid or frame_of_reference
    return kept


def _if_valid(keyword, value):
    """A value that its element may have (PS3.5 6.2), else None."""
    vr = dictionary_VR(keyword)
    if value[:1] == "[" or any(letter < " " or letter == "\\" for letter in value):
        return None  # several values, or what is no letter
    try:
        DataElement(tag_for_keyword(keyword), vr, value, validation_mode=config.RAISE)
        DA(value) if vr == "DA" else TM(value) if vr == "TM" else None
    except ValueError:
        return None
    return None if keyword == "PatientSex" and value not in ("M", "F", "O") else value


def _segmentation(sources, stored, regions, algorithm):
    """highdicom's object; stored [frames, rows, cols] in the order of the sources' frames."""
    by = None
    if algorithm:
        by = highdicom.AlgorithmIdentificationSequence(algorithm, family=AI, version="1")
    how = "AUTOMATIC" if algorithm else "MANUAL"
    kinds = [(MEANINGS[r], ANATOMY, Code(LUNG[r], "SCT", MEANINGS[r])) for r in regions]
    segments = [
        highdicom.seg.SegmentDescription(n, *kind, how, by) for n, kind in enumerate(kinds, 1)
    ]
    facts = {"segment_descriptions": segments, **TABLES["SEG"]}
    facts["series_instance_uid"] = sources[0].SeriesInstanceUID  # `_identify` gives both their own
    facts["sop_instance_uid"] = sources[0].SOPInstanceUID
    return highdicom.seg.Segmentation(source_images=sources, pixel_array=stored, **facts)
