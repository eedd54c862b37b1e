"""The project on one picture: collection, pre-training, prediction, with a run's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from chatlib.plots.style import COLORS, NotebookFigure, add_note, house_style, label

__all__ = ["plot_outline"]

_WIDTH, _HEIGHT = 12.0, 8.0  # inches, and the units of all that is placed
_COLUMN = 3.5
_LEFTS = (0.25, 4.25, 8.25)
_COLORS = ("blue", "green", "vermillion")
_TITLES = ("Data collection", "Pre-training", "Prediction")
_INK = "#1c1e21"
_ROWS = ((6.28, 0.62), (5.32, 0.62), (4.36, 0.62))  # bottom and height of a column's boxes
_WHOLE = FuncFormatter(lambda value, _: f"{value:,.0f}")

Results = Mapping[str, Mapping]
_Point = tuple[float, float]


@house_style
def plot_outline(record: Mapping, results: Results) -> Figure:
    """Draw the three columns of a complete run, and below them its analysis of the chat.

    `record` is the run's `run.json`, `results` its `results/*.json` by notebook.
    """
    figure = NotebookFigure(figsize=(_WIDTH, _HEIGHT))
    sheet = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    sheet.axis("off")
    note = "simulated" if record["data"]["simulated_streams"] else ""
    title = add_note("From a live chat to who will pay", note)
    figure.suptitle(title, x=0.25 / _WIDTH, y=0.975, ha="left", fontsize=15)
    for left, color, title in zip(_LEFTS, _COLORS, _TITLES, strict=True):
        _draw_panel(sheet, left, color, title)
    _draw_collection(sheet, record, results)
    _draw_pretraining(sheet, record, results["03_pretrain"])
    _draw_prediction(sheet, record, results["04_predict"])
    for x, what in ((3.78, "chat"), (7.78, "model")):
        _draw_arrow(sheet, (x, 6.6), (x + 0.44, 6.6), width=2.2)
        sheet.text(x + 0.22, 6.75, what, ha="center", fontsize=9, color=_INK)
    _draw_rest(sheet, results["05_analyze"])
    return figure


def _draw_collection(sheet: Axes, record: Mapping, results: Results) -> None:
    first, new, data = results["01_collect"]["headline"], results["02_update"]["headline"], record["data"]
    days = f"{data['first_day']} to {data['last_day']}" if data["first_day"] else "without dates"
    _draw_boxes(
        sheet, 0,
        (
            f"A channel, or chat files:\n{first['streams']:,} streams, {first['messages']:,} messages",
            f"What is new since:\n{new['new streams']:,} streams, {new['new messages']:,} messages",
            f"One database: {data['messages']:,} messages,\n{days}",
        ),
    )  # fmt: skip
    axes = _add_plot(sheet, 0, 1.45, 2.25, "Who was there (first collection)", left=0.95)
    names, values = ("wrote", "members", "paid"), [first[key] for key in ("chatters", "members", "donors")]
    axes.barh(names, values, color=[COLORS["sky"], COLORS["grey"], COLORS["orange"]])
    _label_bars(axes, values, [f"{value:,}" for value in values])
    axes.xaxis.set_major_formatter(_WHOLE)
    axes.set_xlabel("people")


def _draw_pretraining(sheet: Axes, record: Mapping, result: Mapping) -> None:
    given = record["parameters"]["03_pretrain"]
    base = "from scratch" if result["base"] == "scratch" else f"from {label(result['base'], max_chars=20)}"
    _draw_boxes(
        sheet, 1,
        (
            f"{result['messages']:,} messages of {result['streams']:,}\nearly streams, one after the other",
            f"\nblocks of {given['BLOCK_LEN']:,} tokens, {given['MASK_RATE']:.0%} hidden",
            f"A masked language model guesses them:\n{result['weights'] / 1e6:,.1f} million weights, {base}",
        ),
    )  # fmt: skip
    _draw_tokens(sheet, given["MASK_RATE"])
    axes = _add_plot(sheet, 1, 2.95, 0.75, "Perplexity on later streams")
    history = result["perplexity"]
    axes.plot(history["epoch"], history["blocks_perplexity"], "o-", color=COLORS["green"], ms=4)
    axes.axhline(result["unigram"]["blocks"]["perplexity"], color=COLORS["grey"], ls="--", lw=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_WHOLE)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_xlabel("epochs (dashed: unigram model)")
    axes = _add_plot(sheet, 1, 1.45, 0.75, "Similarity of two messages")
    for key, color, line in (("coherence_before", "grey", ":"), ("coherence_after", "green", "-")):
        curve = result[key]["curve"]
        axes.plot(curve["distance"], curve["similarity"], line, color=COLORS[color], label=key.split("_")[1])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_WHOLE)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.set_xlabel(f"{'seconds' if 'gone_after_s' in result['coherence_after'] else 'messages'} apart")
    axes.legend(fontsize=8, title="training", title_fontsize=8, loc="upper right", borderaxespad=0)


def _draw_prediction(sheet: Axes, record: Mapping, result: Mapping) -> None:
    given, test = record["parameters"]["04_predict"], result["periods"]["test"]
    _draw_boxes(
        sheet, 2,
        (
            "Each message of a viewer becomes\na vector, with its time",
            "\na learnable CLS token in front",
            f"{given['N_LAYERS']:,} self-attention layers:\nwill this viewer pay?",
        ),
    )  # fmt: skip
    _draw_vectors(sheet)
    shown = {
        "prior": "by chance",
        "message count": "counting messages",
        "donor transformer": "this transformer",
    }
    shown.setdefault(result["best_on_validation"], "best on validation")
    shown["best possible (simulated)"] = "best possible"
    scores = result["models"]
    models = {text: scores[name]["pr_auc"] for name, text in shown.items() if name in scores}
    title = f"Test: {test['donors']:,} of {test['viewers']:,} viewers paid"
    axes = _add_plot(sheet, 2, 1.45, 2.25, title, left=1.4)
    colors = [COLORS["vermillion"] if name == "this transformer" else COLORS["sky"] for name in models]
    axes.barh(list(models), list(models.values()), color=colors)
    _label_bars(axes, list(models.values()), [f"{value:#.2g}" for value in models.values()])
    axes.set_xlabel("PR-AUC on later streams")


def _draw_rest(sheet: Axes, result: Mapping) -> None:
    text = (
        f"From the same database, when the chat was most alive: {result['highlights']:,} highlights and "
        f"{result['spikes']:,} spikes in the stream shown; {result['streams']:,} streams as JSON"
    )
    _draw_round(sheet, (0.25, 0.2), (11.5, 0.42), fill="#FFF6DC", edge=COLORS["orange"])
    sheet.text(_WIDTH / 2, 0.41, text, ha="center", va="center", fontsize=10, color=_INK)


def _draw_panel(sheet: Axes, left: float, color: str, title: str) -> None:
    place, size = (left, 0.8), (_COLUMN, 6.55)
    _draw_round(sheet, place, size, fill=COLORS[color], edge="none", alpha=0.07)
    _draw_round(sheet, place, size, fill="none", edge=COLORS[color], width=1.5)
    sheet.text(left + _COLUMN / 2, 7.12, title, ha="center", va="center", fontsize=14, color=_INK)


def _draw_round(
    sheet: Axes, place: _Point, size: _Point, *, fill: str, edge: str, width: float = 1.0, alpha: float = 1.0
) -> None:
    box = "round,pad=0,rounding_size=0.1"
    sheet.add_patch(FancyBboxPatch(place, *size, boxstyle=box, fc=fill, ec=edge, lw=width, alpha=alpha))


def _draw_boxes(sheet: Axes, column: int, texts: Sequence[str]) -> None:
    """Draw a column's three boxes, an arrow from each to the next and from the last to the plots."""
    left = _LEFTS[column] + 0.2
    for (bottom, height), text in zip(_ROWS, texts, strict=True):
        middle = left + _COLUMN / 2 - 0.2
        _draw_round(sheet, (left, bottom), (_COLUMN - 0.4, height), fill="white", edge=COLORS["grey"])
        sheet.text(middle, bottom + height / 2, text, ha="center", va="center", fontsize=9.5, color=_INK)
        _draw_arrow(sheet, (middle, bottom - 0.02), (middle, bottom - 0.32))


def _draw_tokens(sheet: Axes, mask_rate: float) -> None:
    """Draw a block of twenty tokens, masked at the given rate."""
    n, size = 20, 0.13
    hidden = {int((i + 0.5) / mask_rate) for i in range(int(n * mask_rate))} if mask_rate else set()
    left = _LEFTS[1] + (_COLUMN - n * size) / 2
    for number in range(n):
        color = _INK if number in hidden else "white"
        sheet.add_patch(
            Rectangle((left + number * size, 5.7), size, size, fc=color, ec=COLORS["green"], lw=0.8)
        )


def _draw_vectors(sheet: Axes) -> None:
    """Draw a viewer's messages as vectors, the CLS token before them."""
    left = _LEFTS[2] + 0.95
    sheet.add_patch(Rectangle((left, 5.66), 0.36, 0.2, fc=COLORS["orange"], ec=_INK, lw=0.8))
    sheet.text(left + 0.18, 5.75, "CLS", ha="center", va="center", fontsize=7.5, color=_INK)
    for number in range(8):
        place = (left + 0.46 + number * 0.15, 5.66)
        sheet.add_patch(Rectangle(place, 0.1, 0.2, fc=COLORS["sky"], ec=_INK, lw=0.8))


def _draw_arrow(sheet: Axes, start: _Point, end: _Point, *, width: float = 1.2) -> None:
    sheet.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, lw=width, color=_INK))


def _add_plot(
    sheet: Axes, column: int, bottom: float, height: float, title: str, *, left: float = 0.6
) -> Axes:
    """Return Axes in a column, placed in inches."""
    x, width = _LEFTS[column] + left, _COLUMN - left - 0.35
    place = (x / _WIDTH, bottom / _HEIGHT, width / _WIDTH, height / _HEIGHT)
    axes = sheet.figure.add_axes(place)
    axes.set_title(title, fontsize=9.5, loc="center")
    axes.tick_params(labelsize=8.5, length=2)
    axes.xaxis.label.set_fontsize(8.5)
    axes.patch.set_alpha(0)
    return axes


def _label_bars(axes: Axes, values: Sequence[float], texts: Sequence[str]) -> None:
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlim(0, 1.2 * max([*values, 1e-9]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    for number, (value, text) in enumerate(zip(values, texts, strict=True)):
        axes.text(value, number, f" {text}", va="center", fontsize=8.5, color=_INK)
