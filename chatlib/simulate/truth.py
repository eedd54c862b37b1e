"""What is true about a simulated stream and stays out of its chat; how well it can be guessed."""

from __future__ import annotations

import numpy as np

from chatlib.simulate.crowd import TRAITS
from chatlib.simulate.lexicon import EVENT_KINDS, TOPIC_NAMES
from chatlib.simulate.rows import BOT, OWNER, Guest, Scene, make_person

__all__ = ["EVENT_COLUMNS", "TRUTH_COLUMNS", "Scores", "event_rows", "truth_rows"]

TRUTH_COLUMNS = ("video_id", "author_id", "role", "probability", "paid", "messages", "japanese", *TRAITS)
EVENT_COLUMNS = ("video_id", "offset_s", "kind", "topic", "strength", "half_life_s")
_N_BINS = 20_000


def truth_rows(scene: Scene, guests: list[Guest], seed: int) -> list[tuple]:
    """Return one row per author in the stream's chat, as in `TRUTH_COLUMNS`.

    Owner, bot and guests have no traits; a guest's probability is whether they paid, since
    nothing else brings them into the chat.
    """
    audience = scene.audience
    counts = np.bincount(scene.writing.sender, minlength=len(audience.serial)).tolist()
    columns = (
        scene.people,
        audience.moderator,
        audience.probability,
        audience.pays,
        counts,
        audience.japanese,
    )
    rows: list[tuple] = [
        (
            scene.video_id,
            person.author_id,
            "moderator" if moderator else "viewer",
            f"{probability:.8f}",
            int(paid),
            n,
            int(japanese),
            *(f"{trait:.4f}" for trait in traits),
        )
        for person, moderator, probability, paid, n, japanese, traits in zip(
            *columns, audience.traits.tolist(), strict=True
        )
    ]
    blank = (0, 0, *("",) * len(TRAITS))
    for serial, role in ((OWNER, "owner"), (BOT, "bot")):
        person = make_person(seed, serial, japanese=False)
        rows.append((scene.video_id, person.author_id, role, "0", 0, *blank))
    for person, paid in guests:
        rows.append((scene.video_id, person.author_id, "guest", str(int(paid)), int(paid), *blank))
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
