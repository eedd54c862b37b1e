import io

import numpy as np
import pandas as pd
import pytest

from chatlib.plots.predict import (
    plot_calibration,
    plot_models,
    plot_periods,
    plot_precision_recall,
    plot_training,
)
from chatlib.predict.evaluation import calibration_table, compare_models

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
    return compare_models(
        LABELS, SCORES, dict.fromkeys(SCORES, 0.5), streams, reference="chance", n_draws=20, rng=RNG
    )


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


@pytest.mark.parametrize(
    "name", ["periods", "training", "models", "no intervals", "curve", "no donor", "calibration"]
)
def test_figures_have_titles_axes_and_legends_and_can_be_drawn(name):
    figure = figures()[name]
    assert all(ax.get_ylabel() or ax.get_xlabel() for ax in figure.axes)
    assert all(ax.get_title("left") and ax.get_legend() for ax in figure.axes)
    figure.savefig(io.BytesIO(), dpi=40)


def test_the_curve_goes_through_the_counted_points():
    labels, scores = np.array([1, 0, 1, 0], bool), np.array([0.9, 0.8, 0.8, 0.1])
    line = plot_precision_recall(labels, {"model": scores}).axes[0].lines[0]
    assert line.get_xdata().tolist() == [0.5, 1.0, 1.0]
    assert line.get_ydata().tolist() == [1.0, pytest.approx(2 / 3), 0.5]
