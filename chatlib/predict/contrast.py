"""The tempting protocol, run only to show what it would have claimed. Its number means nothing.

As in the first version of this research: as many others as donors, a random split with the same
streams and people on both sides, paid messages left in, and the best epoch on test.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.predict.models.inputs import Encoder, build_inputs
from chatlib.predict.models.training import Training, fit_donor_model
from chatlib.predict.models.transformer import DonorConfig
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import Store

__all__ = ["Claim", "measure_temptation", "select_everything"]

_TEST_SHARE = 0.2


class Claim(NamedTuple):
    """What the tempting protocol claims: areas on its test, at a prevalence of one half."""

    viewers: int
    pr_auc: float
    roc_auc: float


def select_everything(messages: pd.DataFrame, *, donation_kinds: object = None) -> np.ndarray:
    """Return a mask of all that somebody wrote at some time, payments and all. Not for predicting."""
    return (messages["author"].notna() & messages["offset_s"].notna()).to_numpy(bool)


def measure_temptation(
    db: Store,
    encoder: Encoder,
    *,
    config: DonorConfig,
    training: Training,
    max_messages: int = 64,
    max_donors: int = 200,
) -> Claim:
    """Return what the donor transformer would claim under the tempting protocol, on all dated streams.

    At most `max_donors` donors are drawn. Raises: NotEnoughData without viewers.
    """
    rng = np.random.default_rng(training.seed)
    everyone = load_viewers(db, select=select_everything)
    donors, others = np.flatnonzero(everyone.paid), np.flatnonzero(~everyone.paid)
    n = min(len(donors), len(others), max_donors)
    rows = np.concatenate([rng.choice(donors, n, replace=False), rng.choice(others, n, replace=False)])
    viewers = everyone.take(rng.permutation(rows))
    inputs = build_inputs(viewers, encoder, max_messages=max_messages)
    n_test = max(round(len(viewers) * _TEST_SHARE), 1)
    test, train = np.split(np.arange(len(viewers)), [n_test])
    _, epochs = fit_donor_model(
        inputs, viewers.paid, train=train, validation=test, config=config, training=training
    )
    best = epochs[epochs["chosen"]].iloc[0]
    return Claim(len(viewers), float(best["pr_auc"]), float(best["roc_auc"]))
