"""The embedded data set: twelve synthetic patients, drawn and written as DICOM."""

from utils.datasets.phantom.body import Body
from utils.datasets.phantom.making import make_phantom
from utils.datasets.phantom.patients import PATIENTS
from utils.datasets.phantom.scanner import add_vessels
from utils.datasets.phantom.slices import ct_slice

__all__ = ["PATIENTS", "Body", "add_vessels", "ct_slice", "make_phantom"]
