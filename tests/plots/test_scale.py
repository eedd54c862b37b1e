"""The figure of costs shows what was measured, and where it leads."""

import numpy as np

from chatlib.plots.scale import plot_costs


def test_costs_are_drawn_as_measured_and_go_on_as_they_grew():
    costs = {
        10**5: {"import": {"cpu_s": 2.0, "mb": 200.0}},
        10**6: {"import": {"cpu_s": 20.0, "mb": 300.0}, "analyze": {"cpu_s": 1.0, "mb": 100.0}},
    }
    figure = plot_costs(costs, up_to=1e8)
    seconds, memory = figure.axes
    assert [text.get_text() for text in seconds.get_legend().get_texts()] == ["import", "analyze"]
    assert seconds.lines[0].get_ydata().tolist() == [2, 20]
    np.testing.assert_allclose(seconds.lines[1].get_ydata(), [20, 2000])
    np.testing.assert_allclose(memory.lines[1].get_ydata(), [300, 300 * 1.5**2])
    assert len(seconds.lines) == 3  # one size alone leads nowhere
    figure.draw_without_rendering()
