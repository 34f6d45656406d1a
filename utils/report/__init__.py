"""From exported figures and numbers to the PDF of the report."""

from utils.report.build import build_report
from utils.report.numbers import latex_name, save_numbers

__all__ = ["build_report", "latex_name", "save_numbers"]
