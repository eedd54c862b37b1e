"""A run as something to read: pages from disk, a first page, one file to mail, pictures."""

from chatlib.pipeline.bundle import render_bundle
from chatlib.pipeline.front import render_index
from chatlib.pipeline.pages import render_page
from chatlib.pipeline.pictures import save_key_figures, save_outline, save_screenshot
from chatlib.pipeline.record import describe_run

__all__ = [
    "describe_run",
    "render_bundle",
    "render_index",
    "render_page",
    "save_key_figures",
    "save_outline",
    "save_screenshot",
]
