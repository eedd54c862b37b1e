"""The figures of notebook 03: perplexity, similarity against distance, and messages in a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from chatlib.plots.style import COLORS, add_note, house_style, new_panels, show_clock
from chatlib.times import format_clock

__all__ = ["plot_coherence", "plot_perplexity", "plot_plane"]

_TIME_TICKS_S = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}
_KINDS = (
    ("blocks", "held-out blocks", "blue", "o", "--"),
    ("single", "held-out single messages", "vermillion", "s", ":"),
)


@house_style
def plot_perplexity(history: pd.DataFrame, reference: Mapping[str, float], *, note: str = "") -> Figure:
    """Draw both perplexities per epoch, from `train`, beside the unigram model's, on a log axis.

    `reference` has the unigram perplexities of `blocks` and `single`. `note` follows the title.
    """
    figure, (axes,) = new_panels(1, 1, height_in=3.8)
    for key, name, color, marker, line in _KINDS:
        y = history[f"{key}_perplexity"]
        axes.plot(history["epoch"], y, marker + "-", color=COLORS[color], label=name)
        axes.axhline(reference[key], color=COLORS[color], ls=line, lw=1.5, label=f"unigram model, {name[9:]}")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="Epochs of training (0: before)", ylabel="Perplexity per token")
    axes.set_title(add_note("Perplexity on chat that the model has not seen: lower is better", note))
    axes.legend(loc="upper right")
    return figure


@house_style
def plot_coherence(curves: Mapping[str, pd.DataFrame], *, unit: str = "seconds", note: str = "") -> Figure:
    """Draw similarity against distance, one line with its band per named table.

    The tables are those of `Coherence`; distances in `unit`, on a log axis.
    """
    figure, (axes,) = new_panels(1, 1, height_in=3.8)
    in_time = unit == "seconds"
    styles = (("grey", "s", "--"), ("blue", "o", "-"), ("orange", "^", "-."))
    for (name, table), (color, marker, line) in zip(curves.items(), styles, strict=False):
        x = table["distance"]
        axes.plot(x, table["similarity"], marker + line, color=COLORS[color], ms=4, label=name)
        axes.fill_between(x, table["low"], table["high"], color=COLORS[color], alpha=0.2, lw=0)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xscale("log")
    ticks = _TIME_TICKS_S if in_time else {n: f"{n:,}" for n in (1, 10, 100, 1000, 10_000)}
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: ticks.get(round(value), "")))
    axes.xaxis.set_minor_locator(NullLocator())
    kind = "Time between" if in_time else "Messages from one to the other, of"
    axes.set(xlabel=f"{kind} two messages of a stream (log axis)", ylabel="Cosine above shuffled pairs")
    against = "the time between them" if in_time else "their distance in messages"
    axes.set_title(add_note(f"How alike messages are, against {against}", note))
    axes.legend(title="shaded: 95 % of resampled streams", loc="upper right")
    return figure


@house_style
def plot_plane(
    planes: Mapping[str, np.ndarray], offsets_s: np.ndarray, *, texts: Sequence[str] = (), note: str = ""
) -> Figure:
    """Draw the messages of a stream as points in a plane, one panel per named plane, coloured by time.

    On the report's pages a point tells when its message was written, and its text, if there are `texts`.
    """
    figure, panels = new_panels(1, len(planes), height_in=4.0)
    for axes, (name, plane) in zip(panels, planes.items(), strict=True):
        x, y = plane.T
        points = axes.scatter(x, y, c=offsets_s, cmap="cividis", s=6, alpha=0.6, linewidths=0)
        axes.set_title(name)
        axes.set_xlabel("First component (no unit)")
    panels[0].set_ylabel("Second component (no unit)")
    bar = figure.colorbar(points, ax=panels, label="Time in the stream (h:mm:ss)")
    show_clock(bar.ax.yaxis, np.ptp(offsets_s))
    said = [f"{format_clock(s)} {text}" for s, text in zip(offsets_s, texts, strict=True)] if texts else []
    figure.tell(dict(zip(panels, planes.values(), strict=True)), said)
    figure.suptitle(
        add_note(f"{len(offsets_s):,} messages of one stream as vectors, in two components", note)
    )
    return figure
