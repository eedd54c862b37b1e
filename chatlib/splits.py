"""Training, validation and test follow each other in time; never the other way round."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from chatlib.errors import NotEnoughData, ParameterError

__all__ = ["DateSplit", "split_by_date"]


class DateSplit(NamedTuple):
    """Keys of streams (`stream_id`), each list oldest first."""

    train: list[int]
    validation: list[int]
    test: list[int]


def split_by_date(streams: pd.DataFrame, *, train: float = 0.60, validation: float = 0.15) -> DateSplit:
    """Split streams into periods by `started_at`: shares of their number, oldest first.

    Streams with the same start stay on one side, the earlier one, so every validation stream
    is strictly later than every training stream, and every test stream than both. Streams
    without a date are left out: nobody knows on which side they belong.

    Raises: ParameterError for shares that leave no test; NotEnoughData if a part is empty.
    """
    if not (0 < train < 1 and 0 < validation < 1 and train + validation < 1):
        raise ParameterError(
            f"Shares of training and validation are positive and leave a test: got {train} and {validation}."
        )
    dated = streams[streams["started_at"].notna()].sort_values(["started_at", "video_id"])
    ids, dates = dated["stream_id"].astype(int).tolist(), dated["started_at"].tolist()
    first = _end_of_date(dates, round(len(ids) * train))
    second = _end_of_date(dates, max(round(len(ids) * (train + validation)), first + 1))
    split = DateSplit(ids[:first], ids[first:second], ids[second:])
    if not all(split):
        raise NotEnoughData(
            "Training, validation and test each need at least one stream with a date of its own; "
            f"{len(ids)} dated streams give {len(split.train)}, {len(split.validation)} and "
            f"{len(split.test)}. Add streams, or dates to streams.csv."
        )
    return split


def _end_of_date(dates: list[str], end: int) -> int:
    while 0 < end < len(dates) and dates[end] == dates[end - 1]:
        end += 1
    return end
