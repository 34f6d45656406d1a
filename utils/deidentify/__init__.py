"""Copies of DICOM folders that do not say whose they are, and what they still show."""

from utils.deidentify.copying import deidentify

__all__ = ["deidentify"]
