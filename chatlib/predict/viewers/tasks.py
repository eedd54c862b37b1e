"""What is asked of a viewer: who paid in this stream, or who will pay later in it."""

from __future__ import annotations

from dataclasses import dataclass

from chatlib.errors import ParameterError

__all__ = ["TASKS", "Task"]

TASKS = ("retrospective", "forecast")


@dataclass(frozen=True)
class Task:
    """What is asked of a viewer. `forecast` reads until the landmark and asks what comes later.

    The landmark is a share of the stream, or minutes if `landmark_min` is given. Payments in
    the `gap_min` minutes behind it count for nothing and put the viewer out; the question ends
    `horizon_min` minutes after the gap, or with the stream.

    Raises: ParameterError for an unknown name or an impossible time.
    """

    name: str = "retrospective"
    landmark_share: float = 0.5
    landmark_min: float | None = None
    gap_min: float = 0.0
    horizon_min: float | None = None

    def __post_init__(self) -> None:
        if self.name not in TASKS:
            raise ParameterError(f"TASK must be one of {TASKS}, got {self.name!r}.")
        if not 0 < self.landmark_share < 1:
            raise ParameterError(f"LANDMARK_SHARE must be between 0 and 1, got {self.landmark_share}.")
        times = [t for t in (self.landmark_min, self.horizon_min) if t is not None]
        if self.gap_min < 0 or any(t <= 0 for t in times):
            raise ParameterError(
                "Landmark and horizon must be positive and the gap not negative, in minutes; "
                f"got {self.landmark_min}, {self.horizon_min} and {self.gap_min}."
            )
