"""A patient's identity, written into every corner of a small series, and the search for it."""

from dicom_factory import ROOT, save, write_series
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from rtstruct_factory import item, structure_set

from utils.deidentify.identity import Identity
from utils.deidentify.remaining import check
from utils.dicom import library_silenced, list_files, read_header

SECRETS = [
    b"Doe",
    b"Jane",
    b"4711-77",
    b"19530117",
    b"20240229",
    b"Hospital",
    b"ACC99",
    ROOT.encode(),
]


def give_identity(dataset, k=0):
    """Names, IDs, dates and places, at the top, in sequences and in private elements."""
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711-77"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19530117", "F", "071Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20240229"
    dataset.StudyTime, dataset.AccessionNumber = "101112.5", "ACC99"
    dataset.InstitutionName, dataset.ReferringPhysicianName = "Hospital", "Physician^Paul"
    dataset.StudyDescription = "Thorax of Jane Doe"
    dataset.OtherPatientIDs = ["4711-77", "0815-1"]
    request = Dataset()
    request.RequestedProcedureDescription = "CT for Doe, Jane"
    request.ReferencedStudySequence = [Dataset()]
    request.ReferencedStudySequence[0].ReferencedSOPInstanceUID = f"{ROOT}.1"
    dataset.RequestAttributesSequence = [request]
    block = dataset.private_block(0x0029, "VENDOR", create=True)
    block.add_new(0x01, "LO", "Doe^Jane")
    dataset.preamble = b"Jane Doe was here".ljust(128, b"\0")


def rtstruct():
    """RTSTRUCT that names the series three levels deep, and the patient in a structure's name."""
    dataset = structure_set([(name, []) for name in ("Lung_L", "Lt Lung", "Tumour Jane")])
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.3.91", f"{ROOT}.7"
    give_identity(dataset)
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    image = item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=f"{ROOT}.3.2")
    study.RTReferencedSeriesSequence[0].ContourImageSequence = [image]
    return dataset


def write_original(folder):
    """Write a CT series, an RTSTRUCT of it, and files that are no DICOM; return the folder."""
    write_series(folder / "ct", edit=give_identity)
    save(rtstruct(), folder / "Doe_Jane_rt.dcm")
    (folder / "notes.txt").write_text("Jane Doe, seen on 20240229")
    return folder


def remaining_identifiers(original, copy):
    """(file, place, reason) of what the check finds in a copy of a folder, whoever made it."""
    identity = Identity()
    with library_silenced():
        for name, path in list_files(original):
            if source := read_header(path, name):
                identity.collect(source.dataset)
        return [row for name, path in list_files(copy) for row in check(name, path, identity)]
