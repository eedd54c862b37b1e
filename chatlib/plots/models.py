"""Figures of notebooks 03 and 04: what the language model learned, who will pay, how good the models are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from chatlib.plots.style import (
    COLORS,
    add_note,
    house_style,
    label,
    new_panels,
    place_legend_above,
    show_clock,
)
from chatlib.text import format_count
from chatlib.times import format_clock

__all__ = [
    "plot_coherence",
    "plot_forecasts",
    "plot_message_weights",
    "plot_models",
    "plot_perplexity",
    "plot_plane",
    "plot_viewers",
]

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
        add_note(
            f"{format_count(len(offsets_s), 'message')} of one stream as vectors, in two components", note
        )
    )
    return figure


_MOST_MESSAGES = 12
_MOST_TOLD = 3  # messages of a viewer


@house_style
def plot_forecasts(
    curve: np.ndarray, months: pd.DataFrame, *, rate: float, n_marked: int, note: str = ""
) -> Figure:
    """Draw how many of the first people named paid, and how many payers each month expected and had.

    `curve` is the number that paid among the first 1, 2, ... named, `rate` the share that pays of all who
    were asked about; `months` has predicted and paid by month (see `Rolling`).
    """
    figure, axes = new_panels(1, 2, height_in=3.8)
    named = np.arange(1, len(curve) + 1)
    axes[0].plot(named, curve, color=COLORS["vermillion"], linewidth=2, label="named by the forecast")
    axes[0].plot(named, rate * named, color="black", linestyle="--", linewidth=1, label="drawn by lot")
    at = curve[n_marked - 1]
    axes[0].plot(n_marked, at, "o", color=COLORS["vermillion"])
    axes[0].annotate(f"of {n_marked}, {at} paid", (n_marked, at), xytext=(8, -12), textcoords="offset points")
    axes[0].set(xlabel="people named, the surest first", ylabel="of them paid in that stream", xlim=(0, None))
    axes[0].set_title(add_note("How far to believe it", note))
    places, width = np.arange(len(months)), 0.38
    for shift, column, name, color, hatch in (
        (-width / 2, "predicted", "expected before", COLORS["sky"], "//"),
        (width / 2, "paid", "paid", COLORS["vermillion"], ""),
    ):
        axes[1].bar(places + shift, months[column], width, color=color, hatch=hatch, edgecolor="white",
                    label=name)  # fmt: skip
    axes[1].set_xticks(places, list(months.index), rotation=30, ha="right")
    axes[1].set(title="Expected and observed, by month", ylabel="people who pay, stream by stream")
    axes[1].grid(axis="x", visible=False)
    for ax in axes:
        ax.margins(y=0.36)  # room for the legend
        ax.set_ylim(0, None)
        ax.legend(loc="upper left")
    return figure


@house_style
def plot_models(table: pd.DataFrame, *, highlight: str, note: str = "") -> Figure:
    """Draw PR-AUC and ROC-AUC of all models on test, the best on top, with 95 % intervals.

    `table` is one of `compare_models`; `highlight` names the model that the text tells of.
    """
    table = table.sort_values("pr_auc", na_position="first")
    figure, axes = new_panels(1, 2, height_in=1.4 + 0.36 * len(table), sharey=True)
    places, is_told = np.arange(len(table)), table.index == highlight
    colors = np.where(is_told, COLORS["vermillion"], COLORS["sky"])
    for ax, metric, name, chance in (
        (axes[0], "pr_auc", "PR-AUC", float(table["prevalence"].iloc[0])),
        (axes[1], "roc_auc", "ROC-AUC", 0.5),
    ):
        values = table[metric].fillna(0.0)
        if metric == "pr_auc":
            ax.barh(places, values, color=colors)
            ax.barh(places[is_told], values[is_told], color=COLORS["vermillion"], label="described below")
        else:  # a bar would have to begin at 0.5
            ax.scatter(values, places, color=colors, zorder=3)
            ax.set_xlim(min(0.48, np.fmin(values, table["roc_auc_low"]).min() - 0.02), 1.0)
        ax.hlines(places, table[f"{metric}_low"], table[f"{metric}_high"], color="black", lw=1.5)
        ax.axvline(chance, color="black", linestyle="--", linewidth=1, label=f"chance: {chance:.3f}")
        ax.set(xlabel=f"{name} on test (line: 95 % interval)")
        ax.set_title(
            add_note("Payers ranked first", note) if ax is axes[0] else "A payer ranked above another", pad=24
        )
        ax.grid(axis="y", visible=False)
        place_legend_above(ax)
    axes[0].set_yticks(places, [label(name, max_chars=44) for name in table.index])
    return figure


@house_style
def plot_viewers(
    before: np.ndarray,
    after: np.ndarray,
    labels: np.ndarray,
    *,
    line: float | None = None,
    texts: Sequence[Sequence[str]] = (),
    note: str = "",
) -> Figure:
    """Draw viewers before and after training, donors on top; all four are of a `ViewerPlane`.

    The model names the viewers right of `line`; None draws no line. On the report's pages a point tells
    the first of its viewer's `texts`, if there are any, and never a name.
    """
    figure, axes = new_panels(1, 2, height_in=4.4)
    labels = np.asarray(labels, bool)
    _draw_points(axes[0], before, labels)
    _draw_points(axes[1], after, labels)
    figure.suptitle(add_note("Viewers, before and after training", note), x=0.01, ha="left")
    for ax, title in zip(axes, ("Before: mean message vector", "After: CLS output"), strict=True):
        ax.set(title=title, xlabel="first principal component", ylabel="second principal component")
    if line is not None:
        axes[1].axvline(line, color="black", linestyle="--", linewidth=1.5, label="named right of it")
        axes[1].set(xlabel="along the head's weights: more likely to pay →")
        axes[1].set(ylabel="most variance at right angles to it")
    figure.tell(
        dict(zip(axes, (before, after), strict=True)), [" · ".join(said[:_MOST_TOLD]) for said in texts]
    )
    for ax in axes:
        ax.legend(loc="upper left", bbox_to_anchor=(-0.08, -0.15), ncols=3, borderaxespad=0,
                  handletextpad=0.4, columnspacing=1.2, fontsize=9)  # fmt: skip
    return figure


def _draw_points(ax: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    others, donors = points[~labels], points[labels]
    ax.plot(*others.T, ".", color=COLORS["blue"], alpha=0.35, markersize=4, markeredgewidth=0)
    ax.plot([], [], ".", color=COLORS["blue"], alpha=0.6, markersize=6, label="other viewers")  # legend only
    ax.plot(*donors.T, "^", color=COLORS["vermillion"], markersize=6, markeredgecolor="black",
            markeredgewidth=0.6, alpha=0.9, zorder=3, label="donors")  # fmt: skip


@house_style
def plot_message_weights(
    table: pd.DataFrame, texts: Sequence[str], *, who: str = "a donor", note: str = ""
) -> Figure:
    """Draw when a viewer wrote what and how much each message counts; `table` is of `attribute_messages`.

    Only the twelve of the greatest weight are shown, in order of time. `who` is a description of
    the viewer, never the name.
    """
    weights = table["integrated_gradients"].to_numpy()
    shown = np.sort(np.argsort(-np.abs(weights), kind="stable")[:_MOST_MESSAGES])
    height_in = 2.0 + 0.28 * max(len(shown), 3)
    figure, axes = new_panels(1, 2, height_in=height_in, sharey=True, width_ratios=(1, 1.3))
    places = np.arange(len(shown))[::-1]
    axes[0].plot(table["offset_s"].to_numpy()[shown], places, "o", color=COLORS["blue"])
    show_clock(axes[0].xaxis, np.ptp(table["offset_s"]))
    axes[0].set(xlabel="time in the stream", ylabel="message, oldest on top")
    axes[0].set_yticks(places, [label(texts[i], max_chars=32) for i in shown])
    figure.suptitle(add_note(f"What the score of {label(who)} rests on", note), x=0.01, ha="left")
    axes[0].set_title("What they wrote, when")
    colors = [COLORS["vermillion"] if weight > 0 else COLORS["sky"] for weight in weights[shown]]
    axes[1].barh(places, weights[shown], color=colors)
    axes[1].axvline(0, color="black", linewidth=1)
    axes[1].set(xlabel="adds to the log odds of paying")
    left_out = f" ({len(shown)} of {len(weights)})" if len(shown) < len(weights) else ""
    axes[1].set_title(f"How much it counts{left_out}")
    return figure
