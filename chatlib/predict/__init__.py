"""Who will pay: viewers as rows of what they wrote and did, models of them, and an honest evaluation.

There are four questions: what each asks, when, and what may be known by then is said here.

`next_stream` is asked of everybody seen in the last days, whether they come or not, and knows earlier
streams alone. The others are asked of who has written by then and has not paid, and know the stream so far,
`retrospective` all unpaid messages of it. The channel's owner is never asked about.

Tables, models, audits, notebook 04 and the command `forecast` all take a `Question` from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chatlib import pretrain as pretrain  # sets the threads' wait policy before torch loads
from chatlib.errors import ParameterError
from chatlib.options import check_settings, option
from chatlib.text import suggest_name

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ARRIVAL", "FORECAST", "NEXT_STREAM", "QUESTIONS", "RETROSPECTIVE", "Question", "Terms"]

NEXT_STREAM, ARRIVAL, FORECAST, RETROSPECTIVE = "next_stream", "arrival", "forecast", "retrospective"


class Terms(NamedTuple):
    """What a question asks, and at which moment."""

    asks: str
    moment: str


QUESTIONS = {
    NEXT_STREAM: Terms("Who will pay in the next stream?", "before the stream begins"),
    ARRIVAL: Terms(
        "Who, having just arrived, will still pay in this stream?", "at each viewer's first message"
    ),
    FORECAST: Terms("Who will pay after the landmark?", "LANDMARK_MIN minutes after the start"),
    RETROSPECTIVE: Terms(
        "Who paid in this stream? A benchmark of the first research: its answer is in the chat already",
        "after the stream",
    ),
}


@dataclass(frozen=True)
class Question:
    """One of QUESTIONS. `landmark_min` matters to `forecast` alone, `days` to `next_stream`.

    Raises: ParameterError for an unknown name, naming the nearest, or an impossible number.
    """

    name: str = option(
        NEXT_STREAM,
        "next_stream; arrival: who, at their first message, will still pay; forecast: who will pay after the "
        "landmark; retrospective: who paid, a benchmark whose answer is in the chat",
        "--question",
        metavar="Q",
    )
    landmark_min: float = option(30.0, "forecast: the landmark in minutes", "--landmark", metavar="MIN")
    days: float = option(60.0, "next_stream: seen in these days")

    def __post_init__(self) -> None:
        if self.name not in QUESTIONS:
            hint = suggest_name(str(self.name), QUESTIONS)
            raise ParameterError(
                f"The question must be one of {', '.join(QUESTIONS)}, got {self.name!r}. {hint}".rstrip()
            )
        check_settings(self)
        if not 0 < self.landmark_min < float("inf"):
            raise ParameterError(f"LANDMARK_MIN must be minutes above 0, got {self.landmark_min}.")
        if not 0 < self.days < float("inf"):
            raise ParameterError(f"The days in which somebody was seen must be above 0, got {self.days}.")

    @property
    def terms(self) -> Terms:
        """What it asks, and when, with its numbers filled in."""
        asks, moment = QUESTIONS[self.name]
        return Terms(asks, moment.replace("LANDMARK_MIN", f"{self.landmark_min:g}"))

    def reaches(self, length_s: float) -> bool:
        """Return whether a stream of this length, as far as it is known, comes to the moment asked at."""
        return self.name != FORECAST or length_s > self.landmark_min * 60.0

    def find_ends(self, first_s: np.ndarray, *, length_s: float) -> np.ndarray:
        """Return for each viewer of a stream the offset after which nothing is known.

        `first_s` are the offsets of their first messages that may be read, NaN for none.
        """
        import numpy as np  # not with the module: the command must start fast

        if self.name == ARRIVAL:
            return first_s
        return np.full(len(first_s), self.landmark_min * 60.0 if self.name == FORECAST else length_s)

    def split_payments(self, offsets_s: np.ndarray, ends_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return masks of payments: those that are asked about, and those known by then.

        `ends_s` are the ends of their payers. A payment without a time, or by somebody who wrote
        nothing, counts as known: it may have been before.
        """
        later = (offsets_s > ends_s) | (self.name == RETROSPECTIVE)
        return later, ~later
