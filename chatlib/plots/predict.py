"""The figures of notebook 04: who will pay, how good the models are, and what their scores rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from chatlib.plots.style import (
    COLORS,
    LINE_STYLES,
    add_note,
    color_of,
    house_style,
    label,
    new_figure,
    new_panels,
)

__all__ = [
    "plot_calibration",
    "plot_importance",
    "plot_lift",
    "plot_message_weights",
    "plot_models",
    "plot_periods",
    "plot_precision_recall",
    "plot_training",
    "plot_viewers",
]

_MARKERS = "os^D"
_MARKED_SHARE = 0.05
_MOST_MESSAGES = 12


@house_style
def plot_periods(counts: pd.DataFrame, *, note: str = "") -> Figure:
    """Draw viewers and donors of training, validation and test. `counts` is of `count_periods`."""
    figure, axes = new_panels(1, 2, height_in=3.0)
    names = [
        f"{name}\n{row.streams} streams" for name, row in zip(counts.index, counts.itertuples(), strict=True)
    ]
    axes[0].bar(names, counts["viewers"], color=COLORS["sky"], label="viewers")
    axes[0].bar(names, counts["donors"], color=COLORS["vermillion"], label="donors among them")
    axes[0].set(title=add_note("Viewers of each period", note), ylabel="viewers")
    axes[1].bar(names, counts["prevalence"], color=COLORS["vermillion"], label="share of donors")
    for i, row in enumerate(counts.itertuples()):
        axes[1].annotate(f"{row.donors}", (i, row.prevalence), ha="center", va="bottom")
    axes[1].set(title="How many of them paid", ylabel="share of viewers")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes[1].set_ylim(0, 1.35 * max(counts["prevalence"].max(), 0.01))
    for ax in axes:
        ax.legend()
        ax.grid(axis="x", visible=False)
    return figure


@house_style
def plot_training(epochs: pd.DataFrame, *, prevalence: float) -> Figure:
    """Draw loss and PR-AUC on validation per epoch; the chosen epoch is marked."""
    figure, axes = new_panels(1, 2, height_in=3.0)
    axes[0].plot(epochs.index, epochs["validation_loss"], "o-", color=COLORS["blue"], label="validation")
    axes[0].set(title="Loss of the donor model", ylabel="mean log loss (nats per viewer)")
    axes[1].plot(epochs.index, epochs["pr_auc"], "o-", color=COLORS["blue"], label="validation")
    axes[1].axhline(prevalence, color=COLORS["grey"], linestyle="--", label="chance (prevalence)")
    axes[1].set(title="How well it ranks donors first", ylabel="PR-AUC", ylim=(0, None))
    chosen = epochs.index[epochs["chosen"]]
    for ax, column in zip(axes, ("validation_loss", "pr_auc"), strict=True):
        ax.plot(
            chosen, epochs.loc[chosen, column], "D", color=COLORS["vermillion"], ms=9, label="chosen epoch"
        )
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
    return figure


@house_style
def plot_models(table: pd.DataFrame, *, highlight: str, note: str = "") -> Figure:
    """Draw PR-AUC and ROC-AUC of all models on test, with 95 % intervals. `table`: `compare_models`."""
    table = table.iloc[::-1]
    figure, axes = new_panels(1, 2, height_in=1.2 + 0.42 * len(table), sharey=True)
    prevalence = float(table["prevalence"].iloc[0])
    for ax, metric, name, chance in (
        (axes[0], "pr_auc", "PR-AUC", prevalence),
        (axes[1], "roc_auc", "ROC-AUC", 0.5),
    ):
        _draw_bars(ax, table, metric, highlight)
        ax.axvline(chance, color="black", linestyle="--", linewidth=1, label=f"chance: {chance:.3g}")
        ax.set(xlabel=f"{name} on test (line: 95 % interval)")
        ax.grid(axis="y", visible=False)
    axes[0].set_title(add_note("Donors ranked first", note))
    axes[1].set_title("Donor found in a pair")
    axes[1].set_xlim(0.35, 1.0)
    for ax in axes:
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, -0.24 if len(table) > 5 else -0.34), borderaxespad=0)
    return figure


def _draw_bars(ax: Axes, table: pd.DataFrame, metric: str, highlight: str) -> None:
    colors = [COLORS["vermillion"] if name == highlight else COLORS["sky"] for name in table.index]
    hatches = ["//" if name == highlight else "" for name in table.index]
    names = [label(name, max_chars=44) for name in table.index]
    values = table[metric].fillna(0.0).to_numpy()
    ax.barh(names, values, color=colors, hatch=hatches, edgecolor="white")
    low, high = (table[f"{metric}_{end}"].to_numpy() for end in ("low", "high"))
    for i, (start, stop) in enumerate(zip(low, high, strict=True)):
        if np.isfinite(start) and np.isfinite(stop):
            ax.plot([start, stop], [i, i], color="black", linewidth=1.5)
            ax.plot([start, stop], [i, i], "|", color="black", markersize=8)


@house_style
def plot_precision_recall(
    labels: np.ndarray, probabilities: Mapping[str, np.ndarray], *, note: str = ""
) -> Figure:
    """Draw precision against recall of some models on test, with the prevalence as a line."""
    figure, ax = new_figure(width_in=7.0, height_in=4.2)
    labels = np.asarray(labels, bool)
    top = 0.02
    for i, (name, values) in enumerate(probabilities.items()):
        recall, precision = _precision_recall(labels, values)
        top = max(top, precision[recall >= 0.05].max(initial=0.0))
        ax.step(recall, precision, where="post", linestyle=LINE_STYLES[i % 4], color=color_of(i),
                linewidth=1.8, label=label(name, max_chars=44))  # fmt: skip
    rate = labels.mean() if len(labels) else 0.0
    ax.axhline(rate, color="black", linestyle="--", linewidth=1, label=f"chance (prevalence {rate:.1%})")
    ax.set(title=add_note("Who is named, and who of them paid", note))
    ax.set(xlabel="recall: share of all donors who are named", xlim=(0, 1))
    ax.set(ylabel="precision: share of the named who paid", ylim=(0, min(1.02, 1.3 * top)))
    _show_percent(ax)
    ax.legend(loc="upper right", fontsize=8.5)
    return figure


def _precision_recall(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision as more and more viewers are named, ties together."""
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.diff(values[order], append=-np.inf) != 0)
    hits = np.cumsum(labels[order])[ends]
    return hits / max(labels.sum(), 1), hits / (ends + 1)


@house_style
def plot_calibration(tables: Mapping[str, pd.DataFrame], *, note: str = "") -> Figure:
    """Draw the observed share of donors against the predicted one. Tables: `calibration_table`."""
    figure, ax = new_figure(width_in=5.4, height_in=4.2)
    top = 0.0
    for i, (name, table) in enumerate(tables.items()):
        predicted, observed = table["predicted"], table["observed"]
        spread = 1.96 * np.sqrt(np.maximum(observed * (1 - observed), 1e-9) / table["viewers"])
        ax.errorbar(predicted, observed, yerr=spread, capsize=2, label=label(name, max_chars=44),
                    marker=_MARKERS[i % 4], linestyle=LINE_STYLES[i % 4], color=color_of(i))  # fmt: skip
        top = max(top, predicted.max(), observed.max())
    ax.plot([0, top], [0, top], color="black", linestyle="--", linewidth=1, label="what is said comes true")
    ax.set(title=add_note("Can the probabilities be believed?", note), xlim=(0, None), ylim=(0, None))
    ax.set(xlabel="predicted probability of paying", ylabel="share who paid (95 % interval)")
    _show_percent(ax, decimals=1)
    ax.legend(loc="upper left")
    return figure


@house_style
def plot_lift(tables: Mapping[str, pd.DataFrame], *, note: str = "") -> Figure:
    """Draw the donors found against the viewers named, per model. Tables: `lift_table`.

    The legend says how many times as many donors as by chance are among the first 5 %.
    """
    figure, ax = new_figure(width_in=7.0, height_in=4.2)
    for i, (name, table) in enumerate(tables.items()):
        color = color_of(i)
        named, found = table["share_named"].to_numpy(), table["share_found"].to_numpy()
        at = float(np.interp(_MARKED_SHARE, named, found))
        text = f"{label(name, max_chars=40)}: {at / _MARKED_SHARE:.1f} times chance at {_MARKED_SHARE:.0%}"
        ax.plot(named, found, LINE_STYLES[i % 4], color=color, linewidth=1.8, label=text)
        ax.plot(_MARKED_SHARE, at, _MARKERS[i % 4], color=color)
    ax.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="chance: names drawn by lot")
    ax.axvline(_MARKED_SHARE, color=COLORS["grey"], linewidth=1, zorder=0)
    ax.set(title=add_note("How many donors are among the first named", note), xlim=(0, 1), ylim=(0, 1.02))
    ax.set(xlabel="share of viewers who are named", ylabel="share of all donors among them")
    _show_percent(ax)
    ax.legend(loc="lower right", fontsize=8.5)
    return figure


@house_style
def plot_importance(table: pd.DataFrame, *, note: str = "") -> Figure:
    """Draw what a score loses when a group of columns is shuffled. Table: `permutation_importance`."""
    table = table.iloc[::-1]
    figure, ax = new_figure(width_in=8.0, height_in=1.6 + 0.34 * len(table))
    names = [label(name, max_chars=44) for name in table.index]
    drops, spreads = table["pr_auc_drop"], table["pr_auc_std"]
    ax.barh(names, drops, color=COLORS["sky"], label="mean over shuffles")
    ax.errorbar(drops, names, xerr=spreads, fmt="none", ecolor="black", capsize=3, label="standard deviation")
    ax.axvline(0, color="black", linewidth=1)
    ax.set(title=add_note("What the score would miss most", note))
    ax.set_xlabel("loss of PR-AUC when these columns are shuffled among viewers")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right")
    return figure


@house_style
def plot_viewers(
    before: np.ndarray, after: np.ndarray, labels: np.ndarray, *, line: float | None = None, note: str = ""
) -> Figure:
    """Draw viewers before and after training, donors on top; all four are of a `ViewerPlane`.

    The model names the viewers right of `line`; None draws no line.
    """
    figure, axes = new_panels(1, 2, height_in=4.4)
    labels = np.asarray(labels, bool)
    _draw_points(axes[0], before, labels)
    _draw_points(axes[1], after, labels)
    figure.suptitle(add_note("Viewers, before and after training", note), x=0.01, ha="left")
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
        _place_legend_below(ax, (-0.08, -0.15), n_columns=3)
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
    """Draw when a viewer wrote what and how much each message counts; `table` is of an `Attribution`.

    Only the twelve of the greatest weight are shown, in order of time. `who` is a description of
    the viewer, never the name.
    """
    weights = table["integrated_gradients"].to_numpy()
    shown = np.sort(np.argsort(-np.abs(weights), kind="stable")[:_MOST_MESSAGES])
    height_in = 2.0 + 0.28 * max(len(shown), 3)
    figure, axes = new_panels(1, 2, height_in=height_in, sharey=True, width_ratios=(1, 1.3))
    places = np.arange(len(shown))[::-1]
    minutes = table["offset_s"].to_numpy()[shown] / 60
    axes[0].plot(minutes, places, "o", color=COLORS["blue"], label="message")
    axes[0].set(xlabel="time in stream (min)", ylabel="message, oldest on top")
    axes[0].set_yticks(places, [label(texts[i], max_chars=32) for i in shown])
    figure.suptitle(add_note(f"What the score of {label(who)} rests on", note), x=0.01, ha="left")
    axes[0].set_title("What they wrote, when")
    _draw_weights(axes[1], weights[shown], places)
    axes[1].set(xlabel="adds to the log odds of paying")
    left_out = f" ({len(shown)} of {len(weights)})" if len(shown) < len(weights) else ""
    axes[1].set_title(f"How much it counts{left_out}")
    for ax in axes:
        _place_legend_below(ax, (-0.02, -0.16), n_columns=2)
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


def _place_legend_below(ax: Axes, place: tuple[float, float], *, n_columns: int) -> None:
    ax.legend(loc="upper left", bbox_to_anchor=place, ncols=n_columns, borderaxespad=0,
              handletextpad=0.4, columnspacing=1.2, fontsize=9)  # fmt: skip


def _show_percent(ax: Axes, *, decimals: int | None = None) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))
