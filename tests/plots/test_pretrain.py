"""The figures of notebook 03 show their numbers."""

import numpy as np
import pandas as pd

from chatlib.plots.pretrain import plot_coherence, plot_perplexity, plot_plane


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
