"""What all figures share: fonts with Japanese, colour-blind-safe colours, literal text, panels, titles."""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MultipleLocator
from PIL import Image

from chatlib.plots.timeline import POINTS_TYPE
from chatlib.text import hide_mentions, one_line
from chatlib.times import format_clock

__all__ = [
    "COLORS",
    "NotebookFigure",
    "add_note",
    "house_style",
    "label",
    "new_panels",
    "place_legend_above",
    "show_clock",
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
_PHONE_IN = 4.6  # wide; letters are as large on a phone as those of the text
_PHONE_CHARS = 46  # of a title in a line
_PHONE_NAME_CHARS = 20  # of a name at the axis
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
    """A Figure that renders itself in a notebook: sharp on high-density screens, with an alt text.

    Beside the picture goes what the report's pages show: what its points tell, and the picture for a phone.
    """

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
        with self._fit_phone():
            narrow = self._draw()
        shown = self._draw()
        told: dict[str, Any] = {"texts": self._told[1], "streams": self._told[2]}
        told |= {"points": shown.pop("points"), "narrow": narrow}
        data = {"image/png": shown.pop("png"), "text/plain": self.alt_text(), POINTS_TYPE: told}
        return data, {"image/png": {**shown, "alt": self.alt_text()}}

    def _draw(self) -> dict[str, Any]:
        """Return the picture in 256 colours, a third of the bytes and as sharp; its width, height, points."""
        drawn, png = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="rgba", dpi=2 * _SCREEN_DPI)
        n_columns = round(self.get_size_inches()[0] * 2 * _SCREEN_DPI)
        size = n_columns, len(drawn.getvalue()) // (4 * n_columns)
        few = Image.frombytes("RGBA", size, drawn.getvalue()).convert("RGB")
        few.quantize(256, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
        width, height = (round(size * _SCREEN_DPI) for size in self.get_size_inches())
        picture = base64.b64encode(png.getvalue()).decode()
        return {"png": picture, "width": width, "height": height, "points": self._locate_points()}

    @contextmanager
    def _fit_phone(self) -> Iterator[None]:
        """Put the panels one below the other, as wide as a phone, and break long lines, while this lasts."""
        undo: list[Callable[[], object]] = []

        def change(set_to: Callable[[Any], object], new: object, old: object) -> None:
            set_to(new)
            undo.append(functools.partial(set_to, old))

        width_in, height_in = self.get_size_inches()
        panels = [(axes, spec) for axes in self.axes if (spec := axes.get_subplotspec())]
        grid, rows = panels[0][1].get_gridspec(), [len(spec.rowspan) for _, spec in panels]
        stacked = GridSpec(len(rows), 1, figure=self, height_ratios=rows)
        for row, (axes, spec) in enumerate(panels if grid.ncols > 1 else ()):
            change(axes.set_subplotspec, stacked[row], spec)
            is_named = axes.yaxis.get_tick_params()["labelleft"]
            undo.append(functools.partial(axes.tick_params, labelleft=is_named))
            axes.tick_params(labelleft=True)
        tall_in = height_in * (sum(rows) / grid.nrows if grid.ncols > 1 else 1)
        change(self.set_size_inches, (_PHONE_IN, tall_in), (width_in, height_in))
        parts = [*self.texts, *(axes.xaxis.label for axes in self.axes)]
        for axes in self.axes:
            parts += [part for part in axes.get_children() if isinstance(part, Text)]
            if isinstance(names := axes.yaxis.get_major_formatter(), FuncFormatter):  # not plain numbers
                broken = FuncFormatter(lambda *at, names=names: textwrap.fill(names(*at), _PHONE_NAME_CHARS))
                change(axes.yaxis.set_major_formatter, broken, names)
            for text in legend.get_texts() if (legend := axes.get_legend()) else ():
                change(text.set_fontsize, 8, text.get_fontsize())
        for text in parts:
            change(text.set_text, textwrap.fill(text.get_text(), _PHONE_CHARS), text.get_text())
        self.draw_without_rendering()  # where titles and legends have room follows from the layout
        for axes in self.axes:
            left = 4 - axes.bbox.x0
            for text in parts:
                if text.axes is axes and text.get_text() and text.get_text() == axes.get_title("left"):
                    change(text.set_x, left / axes.bbox.width, 0)
            legend = axes.get_legend()
            if legend and (over := legend.get_window_extent().x1 - self.bbox.width) > 0:
                x, y = axes.transAxes.inverted().transform(legend.get_bbox_to_anchor().p0)
                move = functools.partial(legend.set_bbox_to_anchor, transform=axes.transAxes)
                change(move, (x + max(-over, left) / axes.bbox.width, y), (x, y))
        try:
            yield
        finally:
            for step in reversed(undo):
                step()

    def _locate_points(self) -> list[list[float]]:
        """Return of each point x, y in fractions of the picture, and its text's place."""
        panels = self._told[0]
        points: list[list[float]] = []
        for axes, places in panels.items():
            x, y = self.transFigure.inverted().transform(axes.transData.transform(places)).T
            rows = np.stack([x, 1 - y, np.arange(len(x))], axis=1)[np.isfinite(x + y)]
            points += [[round(x, 4), round(y, 4), int(i)] for x, y, i in rows.tolist()]
        return points

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


def new_panels(
    n_rows: int, n_columns: int, *, width_in: float = 9.0, height_in: float = 3.6, **options: Any
) -> tuple[NotebookFigure, list[Axes]]:
    """Return a Figure that pyplot does not keep, and the Axes of its grid, row by row.

    To be called inside a function decorated with `house_style`. `options`: matplotlib's `Figure.subplots`.
    """
    figure = NotebookFigure(figsize=(width_in, height_in), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, list(grid.flat)


def add_note(title: str, note: str) -> str:
    """Return a figure's title with a note behind it, such as 'simulated', if there is one."""
    return f"{title} ({label(note)})" if note else title


def place_legend_above(axes: Axes, *, n_columns: int = 2) -> None:
    """Put the legend between the plot and its title, which needs a pad of 24 points."""
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=n_columns, borderaxespad=0)
    legend.set_in_layout(not axes.get_title("left"))  # else the title's pad is its room


def show_clock(axis: Axis, span_s: float) -> None:
    """Put at most five ticks on an axis of seconds, at whole minutes or hours, as h:mm:ss."""
    steps = (60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 4 * 3600, 6 * 3600, 12 * 3600)
    axis.set_major_locator(MultipleLocator(next((step for step in steps if span_s <= 4 * step), span_s / 4)))
    axis.set_major_formatter(lambda seconds, _: format_clock(seconds))


def label(text: object, *, max_chars: int = 40) -> str:
    """Return text from chat or a title, made safe to draw: one line, cut, printable.

    An emoji or mark that none of our fonts has is left out; any other such character is an empty box.
    """
    known = _known_characters()
    line = "".join(
        c if ord(c) in known else "" if unicodedata.category(c)[0] in "SM" else _NO_GLYPH
        for c in " ".join(str(text).split())
        if c.isprintable()
    )
    line = " ".join(line.split()) or ("(emoji)" if str(text).strip() else "")
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
