"""What all figures share: fonts with Japanese, colour-blind-safe colours, literal text, panels, titles."""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chatlib.plots.timeline import POINTS_TYPE
from chatlib.text import hide_mentions, one_line

__all__ = [
    "COLORS",
    "NotebookFigure",
    "add_note",
    "house_style",
    "label",
    "new_figure",
    "new_panels",
    "place_legend_above",
]

# Okabe & Ito's palette, distinguishable with any colour vision.
# Source: M. Okabe, K. Ito, Color Universal Design, 2008.
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermillion": "#D55E00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "yellow": "#F0E442",
    "grey": "#7F7F7F",
}

_SCREEN_DPI = 100
_TOLD_LENGTH = 200
_NO_GLYPH = "\N{WHITE VERTICAL RECTANGLE}"
_RC: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "axes.prop_cycle": cycler(color=list(COLORS.values())),
    "text.parse_math": False,
}


class NotebookFigure(Figure):
    """A Figure that renders itself in a notebook: sharp on high-density screens, with an alt text."""

    _told: tuple[Mapping[Axes, np.ndarray], list[str], list[int]] = ({}, [], [])

    def tell(
        self, panels: Mapping[Axes, np.ndarray], texts: Sequence[str], *, streams: Sequence[int] = ()
    ) -> None:
        """Let a page show `texts[i]` at row i of each panel's points (n, 2); whom it mentions is hidden.

        A click there opens the i-th of `streams`, if given, in the explorer.
        """
        told = [one_line(hide_mentions(text), _TOLD_LENGTH) for text in texts]
        self._told = dict(panels), told, list(streams)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, object]]:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=2 * _SCREEN_DPI)
        width, height = (int(size * _SCREEN_DPI) for size in self.get_size_inches())
        data: dict[str, Any] = {"image/png": base64.b64encode(png.getvalue()).decode()}
        data["text/plain"] = self.alt_text()
        if self._told[1]:
            data[POINTS_TYPE] = self._locate_points()
        return data, {"image/png": {"width": width, "height": height, "alt": self.alt_text()}}

    def _locate_points(self) -> dict[str, Any]:
        """Return the texts, and of each point x, y in fractions of the picture and its text's place."""
        panels, texts, streams = self._told
        points: list[list[float]] = []
        for axes, places in panels.items():
            x, y = self.transFigure.inverted().transform(axes.transData.transform(places)).T
            rows = np.stack([x, 1 - y, np.arange(len(x))], axis=1)[np.isfinite(x + y)]
            points += [[round(x, 4), round(y, 4), int(i)] for x, y, i in rows.tolist()]
        return {"texts": texts, "points": points, "streams": streams}

    def alt_text(self) -> str:
        """Return what the figure shows, from its titles."""
        titles = [self.get_suptitle()]
        titles += [axes.get_title(loc) for axes in self.axes for loc in ("left", "center", "right")]
        return "Figure: " + "; ".join(title for title in titles if title)


_Arguments = ParamSpec("_Arguments")


def house_style(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Decorate a function that draws a Figure: fonts, colours, no mathtext, no global state changed."""

    @functools.wraps(draw)
    def wrapped(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with mpl.rc_context({**_RC, "font.family": _font_families()}):
            return draw(*args, **kwargs)

    return wrapped


def new_figure(*, width_in: float = 9.0, height_in: float = 3.6) -> tuple[NotebookFigure, Axes]:
    """Return a Figure that pyplot does not keep, and its Axes.

    To be called inside a function decorated with `house_style`, as `new_panels` is.
    """
    figure, (axes,) = new_panels(1, 1, width_in=width_in, height_in=height_in)
    return figure, axes


def new_panels(
    n_rows: int, n_columns: int, *, width_in: float = 9.0, height_in: float = 3.6, **options: Any
) -> tuple[NotebookFigure, list[Axes]]:
    """Return a Figure that pyplot does not keep, and the Axes of its grid, row by row.

    `options` are those of matplotlib's `Figure.subplots`.
    """
    figure = NotebookFigure(figsize=(width_in, height_in), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, list(grid.flat)


def add_note(title: str, note: str) -> str:
    """Return a figure's title with a note behind it, such as 'simulated', if there is one."""
    return f"{title} ({label(note)})" if note else title


def place_legend_above(axes: Axes, *, n_columns: int = 2) -> None:
    """Put the legend between the plot and its title, which needs a pad of 24 points."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=n_columns, borderaxespad=0)


def label(text: object, *, max_chars: int = 40) -> str:
    """Return text from chat or a title, made safe to draw: one line, cut, printable.

    A character that none of our fonts has, such as a recent emoji, is shown as an empty box.
    """
    known = _known_characters()
    line = " ".join(str(text).split())
    line = "".join(c if ord(c) in known else _NO_GLYPH for c in line if c.isprintable())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


@functools.lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    """Return the code points that our fonts can draw."""
    paths = map(font_manager.findfont, _font_families())
    return frozenset().union(*(font_manager.get_font(path).get_charmap() for path in paths))


def _font_families() -> list[str]:
    spec = importlib.util.find_spec("matplotlib_fontja")
    if spec and spec.origin and "IPAexGothic" not in font_manager.get_font_names():
        for path in (Path(spec.origin).parent / "fonts").glob("*.ttf"):
            font_manager.fontManager.addfont(path)
    return ["DejaVu Sans", "IPAexGothic"]
