from types import SimpleNamespace

import numpy as np
import pandas as pd

from chatlib.predict.describe import describe_naive
from chatlib.predict.models.transformer import DonorConfig, Training
from chatlib.predict.protocol import Claim, run_naive_protocol, select_everything
from chatlib.predict.viewers.table import load_viewers
from tests.predict.channels import FixedEncoder

CONFIG = DonorConfig(FixedEncoder.dim, width=32, n_layers=2, n_heads=2)


def test_it_reads_the_payments(small):
    viewers = load_viewers(small, select=select_everything)
    assert {"take this", "cheer100 take it"} <= set(viewers.texts)


def test_it_claims_far_more_than_is_true(channel):
    training = Training(epochs=4, learning_rate=3e-3, others_per_donor=1)
    claim = run_naive_protocol(channel, FixedEncoder(), config=CONFIG, training=training, max_messages=64)
    assert claim.roc_auc > 0.95 and claim.pr_auc > 0.95
    assert claim.viewers == 2 * load_viewers(channel, select=select_everything).paid.sum()


def test_viewers_taken_keep_their_messages(channel):
    viewers = load_viewers(channel)
    rows = np.array([5, 0, 9])
    taken = viewers.take(rows)
    assert taken.table["author"].tolist() == viewers.table["author"].iloc[rows].tolist()
    for i, row in enumerate(rows):
        there, here = (slice(v.starts[r], v.starts[r + 1]) for v, r in ((viewers, row), (taken, i)))
        assert viewers.offsets_s[there].tolist() == taken.offsets_s[here].tolist()
        assert viewers.text_codes[there].tolist() == taken.text_codes[here].tolist()


def test_the_verdict_follows_the_numbers():
    table = pd.DataFrame({"roc_auc": [0.652], "pr_auc": [0.1], "prevalence": [0.02]}, index=["any"])
    said = [describe_naive(Claim(100, 0.9, auc), SimpleNamespace(table=table), "any") for auc in (0.9, 0.649)]
    assert "knows who paid" in said[0] and "knows who paid" not in said[1]
    claim = Claim(viewers=6, pr_auc=float("nan"), roc_auc=float("nan"))
    assert "too few donors" in describe_naive(claim, SimpleNamespace(table=table), "any")
