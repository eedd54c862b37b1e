"""A run as something to read: pages from disk, a first page, one file to mail, pictures."""

from chatlib.report.bundle import render_bundle
from chatlib.report.front import render_index
from chatlib.report.pages import render_page
from chatlib.report.pictures import save_key_figures, save_outline, save_screenshot
from chatlib.report.record import describe_run

__all__ = [
    "describe_run",
    "render_bundle",
    "render_index",
    "render_page",
    "save_key_figures",
    "save_outline",
    "save_screenshot",
]
