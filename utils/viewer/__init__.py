"""The slice viewer: a widget, a page that needs no kernel, a moving picture."""

from utils.viewer.drawing import still
from utils.viewer.page import animation, export_html
from utils.viewer.widget import SliceViewer, slice_viewer

__all__ = ["SliceViewer", "animation", "export_html", "slice_viewer", "still"]
