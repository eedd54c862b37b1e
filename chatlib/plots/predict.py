"""Figures of notebook 04: who will pay, how good the models are, how sure one can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from chatlib.plots.style import COLORS, house_style, label, new_figure

__all__ = ["plot_calibration", "plot_models", "plot_periods", "plot_precision_recall", "plot_training"]

_DASHES = ("-", "--", "-.", ":")


@house_style
def plot_periods(counts: pd.DataFrame, *, note: str = "") -> Figure:
    """Draw viewers and donors of training, validation and test. `counts` is of `count_periods`."""
    figure, axes = new_figure(1, 2, height_in=3.0)
    names = [
        f"{name}\n{row.streams} streams" for name, row in zip(counts.index, counts.itertuples(), strict=True)
    ]
    axes[0].bar(names, counts["viewers"], color=COLORS["sky"], label="viewers")
    axes[0].bar(names, counts["donors"], color=COLORS["vermillion"], label="donors among them")
    axes[0].set(title=_titled("Viewers of each period", note), ylabel="viewers")
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
    figure, axes = new_figure(1, 2, height_in=3.0)
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
    figure, axes = new_figure(1, 2, height_in=1.2 + 0.42 * len(table), sharey=True)
    prevalence = float(table["prevalence"].iloc[0])
    for ax, metric, name, chance in (
        (axes[0], "pr_auc", "PR-AUC", prevalence),
        (axes[1], "roc_auc", "ROC-AUC", 0.5),
    ):
        _draw_bars(ax, table, metric, highlight)
        ax.axvline(chance, color="black", linestyle="--", linewidth=1, label=f"chance: {chance:.3g}")
        ax.set(xlabel=f"{name} on test (line: 95 % interval)")
        ax.grid(axis="y", visible=False)
    axes[0].set_title(_titled("Donors ranked first", note))
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
        color = list(COLORS.values())[i % len(COLORS)]
        ax.step(recall, precision, where="post", linestyle=_DASHES[i % 4], color=color,
                linewidth=1.8, label=label(name, max_chars=44))  # fmt: skip
    rate = labels.mean() if len(labels) else 0.0
    ax.axhline(rate, color="black", linestyle="--", linewidth=1, label=f"chance (prevalence {rate:.1%})")
    ax.set(
        title=_titled("Who is named, and who of them paid", note), xlim=(0, 1), ylim=(0, min(1.02, 1.3 * top))
    )
    ax.set(
        xlabel="recall: share of all donors who are named", ylabel="precision: share of the named who paid"
    )
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.legend(loc="upper right", fontsize=8.5)
    return figure


def _precision_recall(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision as ever more viewers are named, those that tie at once."""
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
        spread = 1.96 * np.sqrt(
            np.maximum(table["observed"] * (1 - table["observed"]), 1e-9) / table["viewers"]
        )
        style = {"marker": "os^D"[i % 4], "linestyle": _DASHES[i % 4], "color": list(COLORS.values())[i]}
        ax.errorbar(
            table["predicted"],
            table["observed"],
            yerr=spread,
            capsize=2,
            label=label(name, max_chars=44),
            **style,
        )
        top = max(top, table["predicted"].max(), table["observed"].max())
    ax.plot([0, top], [0, top], color="black", linestyle="--", linewidth=1, label="what is said comes true")
    ax.set(title=_titled("Can the probabilities be believed?", note), xlim=(0, None), ylim=(0, None))
    ax.set(xlabel="predicted probability of paying", ylabel="share who paid (95 % interval)")
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    ax.legend(loc="upper left")
    return figure


def _titled(title: str, note: str) -> str:
    return f"{title} — {label(note)}" if note else title
