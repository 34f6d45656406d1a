"""Shared code of the lung-segmentation notebooks: one subject a file."""
