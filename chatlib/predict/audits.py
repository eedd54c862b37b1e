"""Checks that no answer is among the questions: payments, the future, and features that know.

They look at what was built, and share no code with what built it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from chatlib.errors import DataError
from chatlib.predict.evaluation import rank_metrics
from chatlib.predict.viewers.people import NEXT, People
from chatlib.predict.viewers.table import Viewers
from chatlib.pretrain.language_model import MANIFEST, load_manifest
from chatlib.records import DONATION_KINDS
from chatlib.store import Store
from chatlib.times import DateSplit

__all__ = [
    "audit",
    "check_encoder_streams",
    "check_features",
    "check_inputs",
    "check_periods",
    "find_leaking_features",
    "limit_purity",
    "measure_purity",
]

_SUSPICIOUS_AUC = 0.95
_SIZES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # rows at either end of a feature
_LEAST_PEOPLE = 5  # who pay in such a group: one person's habit is no leak
_Z = 1.96


def audit(
    db: Store, viewers: Viewers, people: People, split: DateSplit, *, encoder_folder: str | Path
) -> pd.DataFrame:
    """Run every check; return one row per check with what was looked at. Raises: DataError."""
    streams = db.load_streams()
    n_features = check_features(people)
    check_periods(streams, split)
    n_streams = check_encoder_streams(encoder_folder, streams, split)
    rows = [
        ("no input is a payment or its echo, none is late", f"messages: {check_inputs(db, viewers):,}"),
        ("training before validation before test", f"streams: {sum(map(len, split)):,}"),
        ("the language model saw training streams only", f"streams: {n_streams:,}"),
        ("no feature knows who pays, overall or of a few", f"features: {n_features}"),
    ]
    return pd.DataFrame(rows, columns=["what was checked", "looked at"])


def check_features(people: People) -> int:
    """Return how many features were found to know no answer, none where fewer than five people paid.

    Raises: DataError if one does.
    """
    table = people.table[people.table["stream_id"] != NEXT]
    features = table[list(people.columns)]
    authors, labels = table["author"].to_numpy(), table["paid"].to_numpy(bool)
    if len(np.unique(authors[labels])) < _LEAST_PEOPLE:
        return 0
    if leaking := find_leaking_features(features, labels, authors):
        raise DataError(
            "No feature may tell by itself who pays, neither of all (ROC-AUC "
            f"{_SUSPICIOUS_AUC} or beyond) nor of the few at its ends; {', '.join(leaking)} does. "
            "Find out where it gets the answer from, and leave it out."
        )
    return features.shape[1]


def check_inputs(db: Store, viewers: Viewers) -> int:
    """Return how many input rows were looked up again in the database and found clean.

    It asks the database directly, by stream and position, and shares no code with the selection.

    Raises: DataError if a row that pays, or one after the landmark, is among the inputs.
    """
    paid = db.find_paid_rows(DONATION_KINDS)
    streams = viewers.table["stream_id"].to_numpy()[viewers.message_viewers()]
    rows = pd.MultiIndex.from_arrays([streams, viewers.positions])
    bad = rows.isin(pd.MultiIndex.from_frame(paid)) if len(paid) else np.zeros(len(rows), bool)
    late = viewers.offsets_s > viewers.table["input_end_s"].to_numpy()[viewers.message_viewers()]
    if bad.any() or late.any():
        raise DataError(
            f"No input may be a payment or come after the landmark; {int(bad.sum())} rows pay and "
            f"{int(late.sum())} are late. Build the viewers with `load_viewers`."
        )
    return len(streams)


def check_periods(streams: pd.DataFrame, split: DateSplit) -> None:
    """Raise DataError unless training, validation and test follow each other by date."""
    dates = streams.set_index("stream_id")["started_at"]
    parts = {name: dates.loc[ids] for name, ids in split._asdict().items()}
    for earlier, later in (("train", "validation"), ("validation", "test")):
        if parts[earlier].max() >= parts[later].min():
            raise DataError(
                f"Every stream of {later} must be later than those of {earlier}; "
                f"{parts[earlier].max()} is not before {parts[later].min()}. Split with `split_by_date`."
            )


def check_encoder_streams(folder: str | Path, streams: pd.DataFrame, split: DateSplit) -> int:
    """Return how many streams the language model in `folder` saw, all of the training period.

    Streams are named in training.json, list `streams`, by platform and video id.

    Raises: ModelError without a whole manifest; DataError if it lists no streams or another one.
    """
    manifest = load_manifest(folder)
    try:
        seen = {(str(stream["platform"]), str(stream["video_id"])) for stream in manifest["streams"]}
    except (KeyError, TypeError) as error:
        raise DataError(
            f"A language model lists the streams it was trained on in {MANIFEST}, and that in {folder} does "
            f"not ({error!r}). Run notebook 03 again."
        ) from error
    allowed = streams.loc[streams["stream_id"].isin(split.train), ["platform", "video_id"]]
    if outside := sorted(seen - set(allowed.itertuples(index=False, name=None))):
        raise DataError(
            f"A language model may be trained on streams of the training period only; it saw {len(outside)} "
            f"other(s), {'/'.join(outside[0])} among them. Train it again with the same shares of the split."
        )
    return len(seen)


def find_leaking_features(features: pd.DataFrame, labels: np.ndarray, authors: np.ndarray) -> list[str]:
    """Return the features that know too well to be true who pays, each by itself.

    Too well is a ROC-AUC of 0.95, in either direction, of the value itself or of its being missing. Where
    few pay, a leak about some of them hardly moves that; it shows as a group of people, those with the
    most extreme values or with one value, of whom nearly all pay: more than `limit_purity`. Empty
    without both classes.
    """
    labels = np.asarray(labels, bool)
    if labels.all() or not labels.any():
        return []
    limit, found = limit_purity(labels.mean()), []
    for name in features.columns:
        values = features[name].to_numpy(float)
        missing = np.isnan(values)
        aucs = [rank_metrics(labels, x)[1] for x in (missing, np.where(missing, -1e18, values))]
        if (
            max(max(auc, 1 - auc) for auc in aucs) >= _SUSPICIOUS_AUC
            or measure_purity(values, labels, authors) >= limit
        ):
            found.append(name)
    return found


def limit_purity(prevalence: float) -> float:
    """Return the `measure_purity` from which on a feature is a leak.

    On a real channel (1.5 % pay) the purest honest feature, the number of payments, has 0.08.
    """
    return min(0.25 + 2.0 * float(prevalence), 0.95)


def measure_purity(values: np.ndarray, labels: np.ndarray, authors: np.ndarray) -> float:
    """Return how surely the purest group of people pays that one feature marks out.

    It is the lower end of the 95 % interval (Wilson 1927) of the share that pays, each person counted once,
    beyond the share of their other rows. Groups are the rows with the most extreme values, those with the
    same value where there are few, and those without one; fewer than five people who pay make none.
    """
    missing = np.isnan(values)
    known = np.flatnonzero(~missing)
    groups = [np.flatnonzero(missing)]
    for sign in (1.0, -1.0):
        order = known[np.argsort(sign * values[known], kind="stable")]
        ends = np.flatnonzero(np.diff(values[order], append=np.inf) != 0) + 1
        cuts = {int(ends[min(int(np.searchsorted(ends, n)), len(ends) - 1)]) for n in _SIZES if len(ends)}
        groups += [order[:cut] for cut in cuts]
    distinct, code = np.unique(values[known], return_inverse=True)
    if len(distinct) <= 200:
        groups += [known[code == i] for i in range(len(distinct))]
    people = np.unique(authors, return_inverse=True)[1]
    return max(_bound_share(rows, labels, people) for rows in groups)


def _bound_share(rows: np.ndarray, labels: np.ndarray, people: np.ndarray) -> float:
    """Return the lower end of Wilson's interval of the share of people who pay, beyond what they always pay.

    Whoever often pays is rightly named often: of each person's share in these rows, that in their others is
    taken off.
    """
    if np.count_nonzero(labels[rows]) < _LEAST_PEOPLE:
        return 0.0
    asked, paid = (np.bincount(people[rows], weights, people.max() + 1) for weights in (None, labels[rows]))
    n_others, others = np.bincount(people) - asked, np.bincount(people, labels) - paid
    who = asked > 0
    if (paid > 0).sum() < _LEAST_PEOPLE:
        return 0.0
    shares = paid[who] / asked[who] - others[who] / np.maximum(n_others[who], 1)
    n, p = len(shares), max(shares.mean(), 0.0)
    spread = _Z * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return float((p + _Z**2 / (2 * n) - spread) / (1 + _Z**2 / n))
