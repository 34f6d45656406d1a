"""DICOM SEG of other writers, changed or damaged: read in full or refused."""

import contextlib

import numpy as np
import pydicom
import pytest
from dicom_factory import ROOT, with_flipped_bits
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian
from seg_builders import SHAPE, edited, loaded, lopsided

from utils.errors import InputError
from utils.masks.seg_reader import read_seg, seg_masks
from utils.masks.seg_writer import write_seg


def other_series(dataset):
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = f"{ROOT}.77"


def other_frame(dataset):
    dataset.FrameOfReferenceUID = f"{ROOT}.78"


def no_reference(dataset):
    del dataset.ReferencedSeriesSequence, dataset.FrameOfReferenceUID


def fractional(dataset):
    dataset.SegmentationType = "FRACTIONAL"


def of_a_heart(dataset):
    segment = dataset.SegmentSequence[0]
    segment.SegmentLabel = "Heart"
    segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "80891009"


def moved(dataset):
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSequence[0].ImagePositionPatient[0] += 5


def beyond(dataset):
    place = dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
    place.ImagePositionPatient[2] = "400"


def twice(dataset):
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1].PlanePositionSequence = groups[2].PlanePositionSequence


def finer(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence[0].PixelSpacing = ["0.7", "0.5"]


def turned(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 1, 0, 0]


def more_frames(dataset):
    dataset.NumberOfFrames = 2_000_000_000


def fewer_groups(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[4]


def short_pixels(dataset):
    dataset.PixelData = dataset.PixelData[:40]


def no_pixels(dataset):
    del dataset.PixelData


def bytes_a_voxel(dataset):
    dataset.BitsAllocated = 8


def unknown_segment(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9


def placeless_frame(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence


def spaceless(dataset):
    """A macro with an item, but nothing in it."""
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [pydicom.Dataset()]


def nameless_frame(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.SegmentIdentificationSequence = [pydicom.Dataset()]


def endless_reference(dataset):
    dataset.ReferencedSeriesSequence[0]["SeriesInstanceUID"]._value = "1." * 3000


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (other_series, "drawn on another series than this"),
        (other_frame, "drawn on another frame of reference"),
        (no_reference, "names neither the series nor the frame of reference"),
        (fractional, "type FRACTIONAL with 1 bits a voxel, expected one of BINARY, FRACTIONAL"),
        (of_a_heart, "no lung among its segments: Heart"),
        (moved, "frame 1 does not lie on a slice of the series"),
        (beyond, "frame 3 does not lie on a slice of the series"),
        (twice, "frame 3 is of no segment, or a second one at its place"),
        (finer, "does not lie on a slice of the series"),
        (turned, "does not lie on a slice of the series"),
        (more_frames, "2000000000 frames of 12 x 10 voxels, expected at most 5 a segment"),
        (fewer_groups, "5 frames but 4 functional groups"),
        (short_pixels, "pixel data end early: truncated"),
        (no_pixels, "pixel data end early: truncated"),
        (bytes_a_voxel, "pixel data end early: truncated"),
        (unknown_segment, "frame 1 is of no segment"),
        (placeless_frame, "frame 4 has no position"),
        (spaceless, "frame 1 has no position, orientation or spacing"),
        (nameless_frame, "frame 1 is of no segment"),
        (endless_reference, "drawn on another series than this"),
    ],
)
def test_segs_that_are_refused(tmp_path, edit, found):
    volume = loaded(tmp_path)
    with pytest.raises(InputError, match=rf"^seg\.dcm: .*{found}"):
        read_seg(edited(tmp_path, volume, edit), volume)


def test_a_frame_of_reference_alone_is_noted(tmp_path):
    def seriesless(dataset):
        del dataset.ReferencedSeriesSequence

    volume = loaded(tmp_path)
    file = edited(tmp_path, volume, seriesless)
    with pytest.warns(UserWarning, match="rests on its frame of reference alone"):
        assert np.array_equal(read_seg(file, volume), lopsided(volume))


def test_bytes_after_the_pixels_are_refused(tmp_path):
    """Whatever stands behind the last voxel was pushed there, and the voxels have slipped."""
    volume = loaded(tmp_path)
    file = edited(tmp_path, volume, lambda dataset: None)
    file.write_bytes(file.read_bytes() + b"\x81\x10 and more")
    with pytest.raises(InputError, match=r"bytes that are no DICOM follow its pixels"):
        read_seg(file, volume)


def test_files_that_are_no_seg_are_refused(tmp_path):
    volume = loaded(tmp_path)
    for file in (tmp_path / "absent.dcm", tmp_path, volume.files[0]):
        with pytest.raises(InputError, match="no DICOM SEG"):
            read_seg(file, volume)


def modifier(dataset):
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "7771000", "SCT", "Left"
    kind = dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    kind.SegmentedPropertyTypeModifierCodeSequence = [code]


def old_code(dataset):
    kind = dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    kind.CodeValue, kind.CodingSchemeDesignator = "T-28500", "SRT"


def label_only(dataset):
    del dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence
    dataset.SegmentSequence[0].SegmentLabel = "Lt_Lung"


@pytest.mark.parametrize("edit", [modifier, old_code, label_only])
def test_left_lung_is_known_by_modifier_old_code_or_label(tmp_path, edit):
    volume = loaded(tmp_path)
    masks = seg_masks(edited(tmp_path, volume, edit), volume)
    assert list(masks) == ["left"]
    assert np.array_equal(masks["left"], lopsided(volume))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_segs_of_other_transfer_syntaxes_are_read(tmp_path, syntax):
    volume = loaded(tmp_path)
    file = edited(tmp_path, volume, lambda dataset: None, syntax)
    assert np.array_equal(read_seg(file, volume), lopsided(volume))


def test_slices_left_out_are_empty(tmp_path):
    """Other writers leave empty frames out; ours keeps them (highdicom's omit_empty_frames)."""
    volume = loaded(tmp_path)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3] = 1

    def without_empty(dataset):
        bits = np.packbits(np.ones(2 * 120, np.uint8), bitorder="little").tobytes()
        groups = dataset.PerFrameFunctionalGroupsSequence
        heights = [float(g.PlanePositionSequence[0].ImagePositionPatient[2]) for g in groups]
        order = np.argsort(heights)
        dataset.PerFrameFunctionalGroupsSequence = [groups[order[k]] for k in (1, 2)]
        dataset.NumberOfFrames, dataset.PixelData = 2, bits

    assert np.array_equal(read_seg(edited(tmp_path, volume, without_empty), volume), mask)


@pytest.mark.filterwarnings("ignore:It names no series:UserWarning")
def test_damaged_files_are_refused_or_read_in_full(tmp_path):
    volume = loaded(tmp_path)
    mask, file = lopsided(volume), tmp_path / "seg.dcm"
    write_seg(mask, volume, file)
    data = file.read_bytes()
    for end in range(0, len(data), 61):
        file.write_bytes(data[:end])
        with contextlib.suppress(InputError):
            assert np.array_equal(read_seg(file, volume), mask), end
    rng, refused = np.random.default_rng(5), 0
    for _ in range(120):
        file.write_bytes(with_flipped_bits(data, rng, 6))
        try:
            seg_masks(file, volume)
        except InputError:
            refused += 1
    assert refused > 20
