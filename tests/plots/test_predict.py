import io

import numpy as np
import pandas as pd
import pytest

from chatlib.plots.predict import (
    plot_calibration,
    plot_importance,
    plot_lift,
    plot_message_weights,
    plot_models,
    plot_periods,
    plot_precision_recall,
    plot_training,
    plot_viewers,
)
from chatlib.plots.style import label
from chatlib.predict.evaluation import bootstrap_metrics, calibration_table, compare_models, lift_table

RNG = np.random.default_rng(0)
LABELS = np.arange(200) % 10 == 0
SCORES = {
    "donor transformer": np.where(LABELS, 0.4, 0.1) + RNG.normal(0, 0.1, 200),
    "chance": RNG.random(200),
}
PERIODS = pd.DataFrame(
    {"streams": [3, 1, 1], "viewers": [100, 30, 40], "donors": [5, 0, 2], "prevalence": [0.05, 0.0, 0.05]},
    index=pd.Index(["train", "validation", "test"], name="period"),
)
EPOCHS = pd.DataFrame(
    {"validation_loss": [0.3, 0.2], "pr_auc": [0.1, np.nan], "chosen": [True, False]}, index=[1, 2]
)


def table(streams):
    draws = bootstrap_metrics(LABELS, SCORES, streams, n_draws=20, rng=RNG)
    return compare_models(LABELS, SCORES, dict.fromkeys(SCORES, 0.5), draws, reference="chance")


def figures():
    return {
        "periods": plot_periods(PERIODS, note="simulated"),
        "training": plot_training(EPOCHS, prevalence=0.05),
        "models": plot_models(table(np.arange(200) % 7), highlight="donor transformer"),
        "no intervals": plot_models(
            table(np.zeros(200)).assign(pr_auc_low=np.nan, roc_auc_low=np.nan), highlight="chance"
        ),
        "curve": plot_precision_recall(LABELS, SCORES),
        "no donor": plot_precision_recall(np.zeros(200, bool), SCORES),
        "calibration": plot_calibration({k: calibration_table(LABELS, v) for k, v in SCORES.items()}),
    }


HUNDRED = np.arange(100) % 10 == 0
IMPORTANCE = pd.DataFrame(
    {"pr_auc_drop": [0.2, -0.01], "pr_auc_std": [0.03, 0.01], "roc_auc_drop": [0.1, 0], "roc_auc_std": 0.01},
    index=pd.Index(["history", "badges"], name="group"),
)
WEIGHTS = pd.DataFrame(
    {
        "offset_s": [60.0, 600, 1800, 3600],
        "integrated_gradients": [0.1, -0.5, 2.0, 0.0],
    }
)
TEXTS = ["hello", "$x^2$ <b>", "愛してる 😀", "w" * 200]


def explaining_figures():
    points = RNG.normal(size=(100, 2))
    lift = {
        "model": lift_table(HUNDRED, HUNDRED + RNG.random(100)),
        "chance": lift_table(HUNDRED, RNG.random(100)),
    }
    return {
        "lift": plot_lift(lift, note="simulated"),
        "importance": plot_importance(IMPORTANCE),
        "viewers": plot_viewers(points, points, HUNDRED, line=0.5, note="simulated"),
        "no line": plot_viewers(points, points, HUNDRED),
        "no donor": plot_viewers(points, points, np.zeros(100, bool), line=0.5),
        "weights": plot_message_weights(WEIGHTS, TEXTS, note="simulated"),
        "one message": plot_message_weights(WEIGHTS[:1], TEXTS[:1]),
    }


@pytest.mark.filterwarnings("ignore:Glyph")  # which emoji a font has depends on the machine
@pytest.mark.parametrize("name", [*figures(), *explaining_figures()])
def test_figures_have_titles_axes_and_legends_and_can_be_drawn(name):
    figure = (figures() | explaining_figures())[name]
    assert all(ax.get_ylabel() or ax.get_xlabel() for ax in figure.axes)
    assert all(ax.get_title("left") and ax.get_legend() for ax in figure.axes)
    figure.savefig(io.BytesIO(), dpi=40)


def test_the_curve_goes_through_the_counted_points():
    labels, scores = np.array([1, 0, 1, 0], bool), np.array([0.9, 0.8, 0.8, 0.1])
    line = plot_precision_recall(labels, {"model": scores}).axes[0].lines[0]
    assert line.get_xdata().tolist() == [0.5, 1.0, 1.0]
    assert line.get_ydata().tolist() == [1.0, pytest.approx(2 / 3), 0.5]


def test_lift_says_how_many_times_chance():
    labels = np.arange(20) == 0
    figure = plot_lift({"model": lift_table(labels, -np.arange(20.0))})
    line = figure.axes[0].lines[0]
    assert line.get_label() == "model: 20.0 times chance at 5%"
    assert (line.get_xdata()[1], line.get_ydata()[1]) == (0.05, 1.0)


def test_importance_has_a_bar_per_group_the_greatest_on_top():
    ax = plot_importance(IMPORTANCE).axes[0]
    assert [bar.get_width() for bar in ax.patches] == [-0.01, 0.2]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["badges", "history"]


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
    assert times.lines[0].get_xdata().tolist() == list(range(2, n))
    assert times.lines[0].get_ydata().tolist() == list(range(11, -1, -1)), "the oldest on top"
    bars = {bar.get_y() + bar.get_height() / 2: bar.get_width() for bar in weights.patches}
    assert (bars[0], bars[11], len(bars)) == (14.0, -20.0, 12)
    assert "(12 of 14)" in weights.get_title("left")


def test_a_sign_that_no_font_has_is_a_box_and_the_rest_stays():
    assert label("配信 \N{HEART HANDS} ok é") == "配信 ▯ ok é"
