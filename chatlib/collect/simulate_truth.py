"""What is true about a simulated stream and stays out of its chat; how well it can be guessed."""

from __future__ import annotations

import numpy as np

from chatlib.collect.simulate_crowd import TRAITS
from chatlib.collect.simulate_rows import Person, Scene
from chatlib.collect.simulate_talk import EVENT_KINDS, TOPIC_NAMES

__all__ = ["EVENT_COLUMNS", "TRUTH_COLUMNS", "Scores", "event_rows", "truth_rows"]

TRUTH_COLUMNS = ("video_id", "author_id", "role", "probability", "paid", "messages", "japanese", *TRAITS)
EVENT_COLUMNS = ("video_id", "offset_s", "kind", "topic", "strength", "half_life_s")
_N_BINS = 20_000


def truth_rows(scene: Scene, guests: list[Person], seed: int) -> list[tuple]:
    """Return one row per viewer as in `TRUTH_COLUMNS`; who only received a gift has no traits."""
    audience = scene.audience
    counts = np.bincount(scene.writing.sender, minlength=len(audience.serial)).tolist()
    roles = ["moderator" if each else "viewer" for each in audience.moderator.tolist()]
    rows: list[tuple] = [
        (scene.video_id, person.author_id, role, f"{p:.6f}", int(paid), n, int(japanese), *(f"{x:.4f}" for x in traits))
        for person, role, p, paid, n, japanese, traits in zip(
            scene.people, roles, audience.probability.tolist(), audience.pays.tolist(), counts,
            audience.japanese.tolist(), audience.traits.tolist(), strict=True,
        )
    ]  # fmt: skip
    blank = ("",) * len(TRAITS)
    rows += [(scene.video_id, guest.author_id, "guest", "0.000000", 0, 0, 0, *blank) for guest in guests]
    return rows


def event_rows(scene: Scene) -> list[tuple]:
    """Return one row per event as in `EVENT_COLUMNS`."""
    return [
        (scene.video_id, event.offset_s, EVENT_KINDS[event.kind], TOPIC_NAMES[event.topic], event.strength,
         event.half_life_s)
        for event in scene.timeline.events
    ]  # fmt: skip


class Scores:
    """ROC-AUC of the true probability and of the message count, in constant memory."""

    def __init__(self) -> None:
        self._by_probability = np.zeros((2, _N_BINS), np.int64)
        self._by_count = np.zeros((2, _N_BINS), np.int64)

    def add(self, rows: list[tuple]) -> None:
        """Take in one stream's rows of truth; who wrote nothing is left out."""
        for _, _, _, probability, paid, n, *_ in rows:
            if n:
                self._by_probability[paid, int(float(probability) * (_N_BINS - 1))] += 1
                self._by_count[paid, min(n, _N_BINS - 1)] += 1

    def best_auc(self) -> float:
        """Return the ROC-AUC of the true probability; NaN without both outcomes."""
        return _binned_auc(self._by_probability)

    def count_auc(self) -> float:
        """Return the ROC-AUC of the number of messages; NaN without both outcomes."""
        return _binned_auc(self._by_count)


def _binned_auc(bins: np.ndarray) -> float:
    n_out, n_paid = bins.sum(axis=1)
    if n_out == 0 or n_paid == 0:
        return float("nan")
    below = np.cumsum(bins[0]) - bins[0] / 2  # ties count half
    return float((bins[1] * below).sum() / (n_out * n_paid))
