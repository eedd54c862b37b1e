"""How a chat is processed: the dials of highlights and spikes, and their bounds."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from chatlib.analyze.analytics.words import INTERVAL_BOUNDS_S, METRIC_FIELDS
from chatlib.errors import ParameterError

__all__ = ["PROGRESS_LOGGER", "ProcessSettings", "check_interval"]

PROGRESS_LOGGER = "chatlib.analyze.progress"


@dataclass(frozen=True)
class ProcessSettings:
    """Settings of one analysis.

    print_interval: messages between two lines of progress; none are written if <= 0. They are
        information to the logger `PROGRESS_LOGGER`.
    msg_break: stop after so many messages; no effect if < 0.
    highlight_percentile: the share of samples, in percent, that lies below a highlight.
    highlight_metric, spike_metric: a key of `METRIC_FIELDS`.
    spike_sensitivity: the higher, the more spikes; see `chatlib.analyze.analytics.sections.find_spikes`.

    Raises: ParameterError for a value outside its bounds.
    """

    print_interval: int = 100
    msg_break: int = -1
    highlight_percentile: float = 93.0
    highlight_metric: str = "usersPSec"
    spike_sensitivity: float = 1.5
    spike_metric: str = "usersPSec"

    def __post_init__(self) -> None:
        if not 0 < self.highlight_percentile < 100:
            raise ParameterError(
                f"The highlight percentile must be above 0 and below 100, got {self.highlight_percentile}."
            )
        if not (self.spike_sensitivity > 0 and math.isfinite(self.spike_sensitivity)):
            raise ParameterError(f"The spike sensitivity must be above 0, got {self.spike_sensitivity}.")
        for metric in (self.highlight_metric, self.spike_metric):
            if metric not in METRIC_FIELDS:
                raise ParameterError(f"A metric is one of {[*METRIC_FIELDS]}, got {metric!r}.")

    @property
    def shows_progress(self) -> bool:
        """Whether lines of progress are wanted, and anybody sees them."""
        return self.print_interval > 0 and logging.getLogger(PROGRESS_LOGGER).isEnabledFor(logging.INFO)


def check_interval(interval_s: int) -> int:
    """Return the interval. Raises: ParameterError unless it is a whole number within its bounds."""
    low, high = INTERVAL_BOUNDS_S
    if isinstance(interval_s, bool) or int(interval_s) != interval_s or not low <= interval_s <= high:
        raise ParameterError(
            f"The interval must be a whole number of seconds from {low} to {high}, got {interval_s}."
        )
    return int(interval_s)
