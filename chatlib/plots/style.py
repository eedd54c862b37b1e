"""What all figures share: fonts that know Japanese, colours for every eye, literal text."""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLORS", "NotebookFigure", "house_style", "label", "new_figure"]

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
_NO_SIGN = "\N{WHITE VERTICAL RECTANGLE}"
_RC = {
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
    "axes.prop_cycle": mpl.cycler(color=list(COLORS.values())),
    "text.parse_math": False,
}


class NotebookFigure(Figure):
    """A Figure that shows itself in a notebook: sharp on high-density screens, with an alt text."""

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, object]]:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=2 * _SCREEN_DPI)
        width, height = (int(size * _SCREEN_DPI) for size in self.get_size_inches())
        data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": self.alt_text()}
        return data, {"image/png": {"width": width, "height": height, "alt": self.alt_text()}}

    def alt_text(self) -> str:
        """Return what the figure shows, from its titles."""
        titles = [self.get_suptitle()]
        titles += [axes.get_title(loc) for axes in self.axes for loc in ("left", "center", "right")]
        return "Figure: " + "; ".join(title for title in titles if title)


def house_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a function that draws a Figure: fonts, colours, no mathtext, nothing left behind."""

    @functools.wraps(draw)
    def wrapped(*args: object, **kwargs: object) -> Figure:
        with mpl.rc_context({**_RC, "font.family": _font_families()}):
            return draw(*args, **kwargs)

    return wrapped


def new_figure(
    n_rows: int = 1, n_columns: int = 1, *, width_in: float = 9.0, height_in: float = 3.6, **kwargs: object
) -> tuple[Figure, Axes]:
    """Return a Figure that pyplot does not keep, and its Axes as `Figure.subplots` gives them.

    To be called inside a function decorated with `house_style`.
    """
    figure = NotebookFigure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, **kwargs)


def label(text: object, *, max_chars: int = 40) -> str:
    """Return text from chat or a title, made safe to draw: one line, cut, printable.

    A sign that no font of ours has, such as a young emoji, is shown as an empty box.
    """
    known = _known_signs()
    line = " ".join(str(text).split())
    line = "".join(c if ord(c) in known else _NO_SIGN for c in line if c.isprintable())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


@functools.lru_cache(maxsize=1)
def _known_signs() -> frozenset[int]:
    """Return the code points that our fonts can draw."""
    paths = map(font_manager.findfont, _font_families())
    return frozenset().union(*(font_manager.get_font(path).get_charmap() for path in paths))


def _font_families() -> list[str]:
    spec = importlib.util.find_spec("matplotlib_fontja")
    if spec and spec.origin and "IPAexGothic" not in font_manager.get_font_names():
        for path in (Path(spec.origin).parent / "fonts").glob("*.ttf"):
            font_manager.fontManager.addfont(path)
    return ["DejaVu Sans", "IPAexGothic"]
