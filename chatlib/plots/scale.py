"""The figure of what messages cost as they become more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from chatlib.plots.style import color_of, house_style, new_panels

__all__ = ["plot_costs"]


@house_style
def plot_costs(costs: Mapping[int, Mapping[str, Mapping[str, float]]], *, up_to: float = 1e9) -> Figure:
    """Draw seconds of CPU and peak memory against messages, each step a line, on log axes.

    `costs` is messages -> step -> `cpu_s` and `mb`. Dashed, up to `up_to` messages: growth as between the
    two largest measured, which assumes that nothing new becomes the limit (disk, memory, the shuffle).
    """
    figure, (left, right) = new_panels(1, 2, height_in=4.2)
    steps = dict.fromkeys(step for measured in costs.values() for step in measured)
    for i, step in enumerate(steps):
        sizes = sorted(n for n, measured in costs.items() if step in measured)
        for axes, key in ((left, "cpu_s"), (right, "mb")):
            values = [costs[n][step][key] for n in sizes]
            axes.plot(sizes, values, "o-", color=color_of(i), label=step)
            if len(sizes) > 1 and sizes[-1] < up_to:
                growth = np.log(values[-1] / values[-2]) / np.log(sizes[-1] / sizes[-2])
                beyond = values[-1] * (up_to / sizes[-1]) ** growth
                axes.plot([sizes[-1], up_to], [values[-1], beyond], "--", color=color_of(i), lw=1)
    for axes, what in ((left, "Seconds of CPU"), (right, "Peak memory in MB")):
        axes.set(xscale="log", yscale="log", xlabel="Messages", ylabel=what)
    left.set_title("What messages cost; dashed: as between the two largest")
    left.legend(loc="upper left")
    return figure
