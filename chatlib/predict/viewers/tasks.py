"""What is asked of a viewer: who paid in this stream, or who will pay later in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chatlib.errors import ParameterError

__all__ = ["TASKS", "Task"]

TASKS = ("retrospective", "forecast")


@dataclass(frozen=True)
class Task:
    """What is asked of a viewer. `retrospective` reads the whole stream and asks who paid in it.

    `forecast` reads until the landmark, a share of the stream, and asks who pays after it.

    Raises: ParameterError for an unknown name or an impossible landmark.
    """

    name: str = "retrospective"
    landmark_share: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in TASKS:
            raise ParameterError(f"TASK must be one of {TASKS}, got {self.name!r}.")
        if not 0 < self.landmark_share < 1:
            raise ParameterError(f"LANDMARK_SHARE must be between 0 and 1, got {self.landmark_share}.")

    def find_end(self, last_offset_s: float) -> float:
        """Return the offset at which the input ends, of a stream whose last message has this one."""
        return last_offset_s * (self.landmark_share if self.name == "forecast" else 1.0)

    def split_payments(self, offsets_s: np.ndarray, end_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Return masks of a stream's payments: those that are asked about, and those known by the landmark.

        A payment without a time counts as known: it may have been before the landmark.
        """
        if self.name == "retrospective":
            return np.ones(len(offsets_s), bool), np.zeros(len(offsets_s), bool)
        later = offsets_s > end_s
        return later, ~later
