"""Checks that no answer is among the questions: payments, the future, and features that know.

They look at what was built, and share no code with what built it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from chatlib.errors import DataError
from chatlib.predict.viewers.features import build_features
from chatlib.predict.viewers.table import Viewers
from chatlib.pretrain.language_model import MANIFEST, load_manifest
from chatlib.records import DONATION_KINDS, TWITCH
from chatlib.splits import DateSplit
from chatlib.store import Store

__all__ = [
    "audit",
    "check_earlier",
    "check_encoder_streams",
    "check_inputs",
    "check_periods",
    "find_leaking_features",
]

_SUSPICIOUS_AUC = 0.95


def audit(db: Store, viewers: Viewers, split: DateSplit, *, encoder_folder: str | Path) -> pd.DataFrame:
    """Run every check; return one row per check with what was looked at. Raises: DataError."""
    streams = db.load_streams()
    features = build_features(viewers, known_before=True, habits=True)
    if leaking := find_leaking_features(features, viewers.paid):
        raise DataError(
            f"No feature may separate donors from others by itself (ROC-AUC {_SUSPICIOUS_AUC} or beyond); "
            f"{', '.join(leaking)} does. Find out where it gets the answer from, and leave it out."
        )
    check_periods(streams, split)
    n_streams = check_encoder_streams(encoder_folder, streams, split)
    rows = [
        ("no input is a payment or its echo, none is late", f"{check_inputs(db, viewers):,} messages"),
        ("nor is what they wrote in earlier streams", f"{check_earlier(db, viewers):,} messages"),
        ("training before validation before test", f"{sum(map(len, split))} streams"),
        ("the language model saw training streams only", f"{n_streams} streams"),
        ("no feature separates donors by itself", f"{features.shape[1]} features"),
    ]
    return pd.DataFrame(rows, columns=["what was checked", "looked at"])


def check_inputs(db: Store, viewers: Viewers) -> int:
    """Return how many input rows were looked up again in the database and found clean.

    It asks the database directly, by stream and position, and shares no code with the selection.

    Raises: DataError if a row that pays, or one after the landmark, is among the inputs.
    """
    streams = viewers.table["stream_id"].to_numpy()[viewers.message_viewers()]
    bad = _find_payments_again(db, viewers, streams, viewers.positions)
    late = viewers.offsets_s > viewers.table["input_end_s"].to_numpy()[viewers.message_viewers()]
    if bad.any() or late.any():
        raise DataError(
            f"No input may be a payment or come after the landmark; {int(bad.sum())} rows pay and "
            f"{int(late.sum())} are late. Build the viewers with `load_viewers`."
        )
    return len(streams)


def check_earlier(db: Store, viewers: Viewers) -> int:
    """Return how many messages of earlier streams were looked up again in the database and found clean.

    Raises: DataError if one pays, is by somebody else, or is not of an earlier date.
    """
    past = viewers.earlier
    row = np.repeat(np.arange(len(viewers)), np.diff(past.starts))
    bad = _find_payments_again(db, viewers, past.stream_ids, past.positions)
    streams = db.load_streams().set_index("stream_id")
    # Streams of one date are ordered by their number where the platform numbers them in time.
    number = streams["video_id"].where(streams["platform"] == TWITCH, "").str.rjust(20, "0")
    then = (streams["started_at"] + number).loc[past.stream_ids].to_numpy(object)
    now = viewers.table["started_at"] + number.loc[viewers.table["stream_id"]].to_numpy(object)
    late = then >= now.to_numpy(object)[row]
    authors = db.load_message_authors()
    by = authors.set_index(["stream_id", "position"])["author"]
    by = by.reindex(pd.MultiIndex.from_arrays([past.stream_ids, past.positions]))
    foreign = by.to_numpy() != viewers.table["author"].to_numpy()[row]
    if bad.any() or late.any() or foreign.any():
        raise DataError(
            "What a viewer wrote in earlier streams may hold no payment, nothing of the same day and nothing "
            f"of another viewer; {int(bad.sum())} rows pay, {int(late.sum())} are not earlier and "
            f"{int(foreign.sum())} are somebody else's. Build the viewers with `load_viewers`."
        )
    return len(row)


def _find_payments_again(
    db: Store, viewers: Viewers, streams: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """Return a mask of these rows that pay, or echo a payment, by asking the database directly."""
    paid = db.find_paid_rows(DONATION_KINDS)
    rows = pd.MultiIndex.from_arrays([streams, positions])
    return rows.isin(pd.MultiIndex.from_frame(paid)) if len(paid) else np.zeros(len(rows), bool)


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


def find_leaking_features(
    features: pd.DataFrame, labels: np.ndarray, *, limit: float = _SUSPICIOUS_AUC
) -> list[str]:
    """Return the features that separate donors from the others too well to be true, each by itself.

    Too well is a ROC-AUC of `limit` or beyond, in either direction, of the value itself or of
    its being missing. Empty without both classes.
    """
    labels = np.asarray(labels, bool)
    if labels.all() or not labels.any():
        return []
    found = []
    for name in features.columns:
        values = features[name].to_numpy(float)
        missing = np.isnan(values)
        aucs = [roc_auc_score(labels, missing), roc_auc_score(labels, np.where(missing, -1e18, values))]
        if max(max(auc, 1 - auc) for auc in aucs) >= limit:
            found.append(name)
    return found
