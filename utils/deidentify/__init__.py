"""Copies of DICOM folders that do not say whose they are, and what they still show."""

from utils.deidentify.copying import deidentify
from utils.deidentify.remaining import remaining_identifiers

__all__ = ["deidentify", "remaining_identifiers"]
