"""Figures of notebook 04 that explain: lift, what matters, viewers in a plane, a donor's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from chatlib.plots.style import COLORS, house_style, label, new_figure

__all__ = ["plot_importance", "plot_lift", "plot_message_weights", "plot_viewers"]

_DASHES = ("-", "--", "-.", ":")
_TIGHT = {"borderaxespad": 0, "handletextpad": 0.4, "columnspacing": 1.2, "fontsize": 9}
_METRICS = {"pr_auc": "PR-AUC", "roc_auc": "ROC-AUC"}
_WEIGHTS = {
    "integrated_gradients": "adds to the log odds of paying",
    "attention_rollout": "share of the attention (rollout)",
}


@house_style
def plot_lift(tables: Mapping[str, pd.DataFrame], *, mark: float = 0.05, note: str = "") -> Figure:
    """Draw the donors found against the viewers named, per model. Tables: `lift_table`.

    At the share `mark` it is said how many times as many donors are found as by lot.
    """
    figure, ax = new_figure(width_in=7.0, height_in=4.2)
    for i, (name, table) in enumerate(tables.items()):
        color = list(COLORS.values())[i % len(COLORS)]
        named, found = table["share_named"].to_numpy(), table["share_found"].to_numpy()
        at = float(np.interp(mark, named, found))
        text = f"{label(name, max_chars=40)}: {at / mark:.1f} times chance at {mark:.0%}"
        ax.plot(named, found, _DASHES[i % 4], color=color, linewidth=1.8, label=text)
        ax.plot(mark, at, "os^D"[i % 4], color=color)
    ax.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="chance: names drawn by lot")
    ax.axvline(mark, color=COLORS["grey"], linewidth=1, zorder=0)
    ax.set(title=_titled("How many donors are among the first named", note), xlim=(0, 1), ylim=(0, 1.02))
    ax.set(xlabel="share of viewers who are named", ylabel="share of all donors among them")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(loc="lower right", fontsize=8.5)
    return figure


@house_style
def plot_importance(table: pd.DataFrame, *, metric: str = "pr_auc", note: str = "") -> Figure:
    """Draw what a score loses when a group of columns is shuffled. Table: `permutation_importance`."""
    table = table.iloc[::-1]
    figure, ax = new_figure(width_in=8.0, height_in=1.6 + 0.34 * len(table))
    names = [label(name, max_chars=44) for name in table.index]
    drops, spreads = table[f"{metric}_drop"], table[f"{metric}_std"]
    ax.barh(names, drops, color=COLORS["sky"], label="mean over shuffles")
    ax.errorbar(drops, names, xerr=spreads, fmt="none", ecolor="black", capsize=3, label="standard deviation")
    ax.axvline(0, color="black", linewidth=1)
    name = _METRICS.get(metric, metric)
    ax.set(title=_titled("What the score would miss most", note))
    ax.set_xlabel(f"loss of {name} when these columns are shuffled among viewers")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right")
    return figure


@house_style
def plot_viewers(
    before: np.ndarray, after: np.ndarray, labels: np.ndarray, *, line: float | None = None, note: str = ""
) -> Figure:
    """Draw viewers before and after training, donors on top; all four are of a `ViewerPlane`.

    Right of `line` is who the model names; where it is None, there is no line to draw.
    """
    figure, axes = new_figure(1, 2, height_in=4.4)
    labels = np.asarray(labels, bool)
    _draw_points(axes[0], before, labels)
    _draw_points(axes[1], after, labels)
    figure.suptitle(_titled("Viewers, before and after training", note), x=0.01, ha="left")
    axes[0].set(title="Before: mean message vector")
    axes[0].set(xlabel="first principal component", ylabel="second principal component")
    axes[1].set(title="After: CLS output")
    if line is None:
        axes[1].set(xlabel="first principal component", ylabel="second principal component")
    else:
        axes[1].axvline(line, color="black", linestyle="--", linewidth=1.5, label="named right of it")
        axes[1].set(xlabel="along the head's weights: more likely to pay →")
        axes[1].set(ylabel="most variance at right angles to it")
    for ax in axes:
        ax.legend(loc="upper left", bbox_to_anchor=(-0.08, -0.15), ncols=3, **_TIGHT)
    return figure


def _draw_points(ax: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    others, donors = points[~labels], points[labels]
    ax.plot(*others.T, ".", color=COLORS["blue"], alpha=0.35, markersize=4, markeredgewidth=0)
    ax.plot([], [], ".", color=COLORS["blue"], alpha=0.6, markersize=6, label="other viewers")  # legend only
    style = {"color": COLORS["vermillion"], "markeredgecolor": "black", "markeredgewidth": 0.6}
    ax.plot(*donors.T, "^", markersize=6, alpha=0.9, zorder=3, label="donors", **style)


@house_style
def plot_message_weights(
    table: pd.DataFrame,
    texts: Sequence[str],
    *,
    column: str = "integrated_gradients",
    max_messages: int = 12,
    who: str = "a donor",
    note: str = "",
) -> Figure:
    """Draw when a viewer wrote what and how much each message counts; `table` is of an `Attribution`.

    Of more messages, the `max_messages` of the greatest weight are shown, all in order of time. `who`
    is how the viewer is called; never by name.
    """
    weights = table[column].to_numpy()
    shown = np.sort(np.argsort(-np.abs(weights), kind="stable")[:max_messages])
    figure, axes = new_figure(
        1,
        2,
        height_in=2.0 + 0.28 * max(len(shown), 3),
        sharey=True,
        gridspec_kw={"width_ratios": [1, 1.3]},
    )
    places = np.arange(len(shown))[::-1]
    minutes = table["offset_s"].to_numpy()[shown] / 60
    axes[0].plot(minutes, places, "o", color=COLORS["blue"], label="message")
    axes[0].set(xlabel="time in stream (min)", ylabel="message, oldest on top")
    axes[0].set_yticks(places, [label(texts[i], max_chars=32) for i in shown])
    figure.suptitle(_titled(f"What the score of {label(who)} rests on", note), x=0.01, ha="left")
    axes[0].set_title("What they wrote, when")
    _draw_weights(axes[1], weights[shown], places)
    axes[1].set(xlabel=_WEIGHTS.get(column, column))
    left_out = f" ({len(shown)} of {len(weights)})" if len(shown) < len(weights) else ""
    axes[1].set_title(f"How much it counts{left_out}")
    for ax in axes:
        ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=2, **_TIGHT)
    return figure


def _draw_weights(ax: Axes, weights: np.ndarray, places: np.ndarray) -> None:
    for sign, name, color, hatch in (
        (weights >= 0, "speaks for a donor", COLORS["vermillion"], ""),
        (weights < 0, "speaks against", COLORS["sky"], "//"),
    ):
        if sign.any():
            name = name if (weights < 0).any() else "weight"
            ax.barh(places[sign], weights[sign], color=color, hatch=hatch, edgecolor="white", label=name)
    ax.axvline(0, color="black", linewidth=1)


def _titled(title: str, note: str) -> str:
    return f"{title} — {label(note)}" if note else title
