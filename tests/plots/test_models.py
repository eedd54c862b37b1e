"""The figures of notebooks 03 and 04 show their numbers."""

import io

import numpy as np
import pandas as pd
import pytest

from chatlib.plots.models import (
    plot_coherence,
    plot_forecasts,
    plot_message_weights,
    plot_models,
    plot_perplexity,
    plot_plane,
    plot_viewers,
)
from chatlib.predict.evaluation import bootstrap_metrics, compare_models


def test_perplexity_has_both_kinds_and_both_references():
    history = pd.DataFrame(
        {"epoch": [0, 1, 2], "blocks_perplexity": [500.0, 80, 40], "single_perplexity": [510.0, 90, 70]}
    )
    figure = plot_perplexity(history, {"blocks": 100.0, "single": 120.0}, note="simulated")
    (axes,) = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert drawn["held-out blocks"].tolist() == [500, 80, 40]
    assert drawn["held-out single messages"].tolist() == [510, 90, 70]
    assert set(drawn["unigram model, blocks"]) == {100}
    assert set(drawn["unigram model, single messages"]) == {120}
    assert "(simulated)" in axes.get_title(loc="left")
    assert axes.get_yscale() == "log"
    figure.draw_without_rendering()


def test_coherence_has_a_line_and_a_band_per_table_also_without_a_band():
    table = pd.DataFrame({"distance": [1.0, 10, 100], "similarity": [0.2, 0.1, 0], "low": 0.0, "high": 0.3})
    figure = plot_coherence({"before": table, "after": table.assign(low=np.nan, high=np.nan)})
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["before", "after"]
    assert axes.get_xscale() == "log"
    figure.draw_without_rendering()
    assert {"1 s", "1 min"} <= {tick.get_text() for tick in axes.get_xticklabels()}
    (axes,) = plot_coherence({"after": table}, unit="messages").axes
    assert axes.get_xlabel().startswith("Messages from one to the other")
    assert "their distance in messages" in axes.get_title(loc="left")


def test_the_plane_has_a_panel_per_name_and_minutes_as_colour():
    rng = np.random.default_rng(0)
    planes = {"before": rng.normal(size=(20, 2)), "after": rng.normal(size=(20, 2))}
    figure = plot_plane(planes, np.arange(20) * 60.0)
    before, after, bar = figure.axes
    assert (before.get_title(loc="left"), after.get_title(loc="left")) == ("before", "after")
    assert before.collections[0].get_offsets().tolist() == planes["before"].tolist()
    assert after.collections[0].get_array().tolist() == [60 * n for n in range(20)]
    figure.draw_without_rendering()
    assert {"0:00:00", "0:05:00"} <= {tick.get_text() for tick in bar.get_yticklabels()}


RNG = np.random.default_rng(0)
LABELS = np.arange(200) % 10 == 0
SCORES = {
    "donor transformer": np.where(LABELS, 0.4, 0.1) + RNG.normal(0, 0.1, 200),
    "chance": RNG.random(200),
}
MONTHS = pd.DataFrame(
    {"asked": [90, 110], "predicted": [3.4, 5.0], "paid": [4, 4]}, index=["2026-01", "2026-02"]
)
HUNDRED = np.arange(100) % 10 == 0
WEIGHTS = pd.DataFrame({"offset_s": [60.0, 600, 1800, 3600], "integrated_gradients": [0.1, -0.5, 2.0, 0.0]})
TEXTS = ["hello", "$x^2$ <b>", "愛してる 😀", "w" * 200]


def table(streams):
    draws = bootstrap_metrics(LABELS, SCORES, streams, n_draws=20, rng=RNG)
    return compare_models(LABELS, SCORES, draws, reference="chance")


def figures():
    points = RNG.normal(size=(100, 2))
    return {
        "viewers": plot_viewers(points, points, HUNDRED, line=0.5, note="simulated"),
        "no line": plot_viewers(points, points, HUNDRED),
        "no donor": plot_viewers(points, points, np.zeros(100, bool), line=0.5),
        "weights": plot_message_weights(WEIGHTS, TEXTS, note="simulated"),
        "one message": plot_message_weights(WEIGHTS[:1], TEXTS[:1]),
        "forecasts": plot_forecasts(np.arange(200) // 4, MONTHS, rate=0.04, n_marked=100, note="simulated"),
        "one asked": plot_forecasts(np.array([0]), MONTHS[:1], rate=0.04, n_marked=1),
        "models": plot_models(table(np.arange(200) % 7), highlight="donor transformer"),
        "no intervals": plot_models(
            table(np.zeros(200)).assign(pr_auc_low=np.nan, roc_auc_low=np.nan), highlight="chance"
        ),
    }


@pytest.mark.filterwarnings("ignore:Glyph")  # which emoji a font has depends on the machine
@pytest.mark.parametrize("name", [*figures()])
def test_figures_have_titles_axes_and_legends_and_can_be_drawn(name):
    figure = figures()[name]
    assert all(ax.get_ylabel() or ax.get_xlabel() for ax in figure.axes)
    assert all(ax.get_title("left") for ax in figure.axes)
    figure.savefig(io.BytesIO(), dpi=40)


def test_of_the_marked_number_it_says_how_many_paid():
    left, right = plot_forecasts(np.arange(200) // 4, MONTHS, rate=0.04, n_marked=100).axes
    assert [text.get_text() for text in left.texts] == ["of 100, 24 paid"]
    assert left.lines[1].get_ydata()[99] == 4.0
    assert [bar.get_height() for bar in right.patches] == [3.4, 5.0, 4, 4]


def test_no_interval_is_cut_off():
    shown = table(np.arange(200) % 7).assign(roc_auc_low=0.2)
    assert plot_models(shown, highlight="chance").axes[1].get_xlim()[0] < 0.2


def test_donors_lie_on_top_and_differ_in_shape():
    points = np.stack([np.arange(100.0), np.zeros(100)], axis=1)
    before, after = plot_viewers(points, points, HUNDRED, line=3.5).axes
    others, _, donors = before.lines[:3]
    assert donors.get_xdata().tolist() == list(range(0, 100, 10)) and len(others.get_xdata()) == 90
    assert donors.get_zorder() > others.get_zorder() and donors.get_marker() != others.get_marker()
    assert after.lines[-1].get_xdata() == [3.5, 3.5] and len(before.lines) == 3


def test_the_heaviest_messages_are_shown_in_order_of_time_and_literally():
    n = 14
    table = pd.DataFrame({"offset_s": 60.0 * np.arange(n), "integrated_gradients": 1.0 + np.arange(n)})
    table.loc[2, "integrated_gradients"] = -20.0
    times, weights = plot_message_weights(table, ["$x^2$ <b>"] * n).axes
    assert {text.get_text() for text in times.get_yticklabels()} == {"$x^2$ <b>"}
    assert times.lines[0].get_xdata().tolist() == [60 * i for i in range(2, n)]
    assert times.lines[0].get_ydata().tolist() == list(range(11, -1, -1)), "the oldest on top"
    bars = {bar.get_y() + bar.get_height() / 2: bar.get_width() for bar in weights.patches}
    assert (bars[0], bars[11], len(bars)) == (14.0, -20.0, 12)
    assert "(12 of 14)" in weights.get_title("left")
