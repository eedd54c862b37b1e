"""A saved model that somebody changed: one ModelError or finite probabilities, no loop, no traceback."""

import json
import re
import shutil
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from chatlib.errors import ModelError
from chatlib.predict.evaluation import Calibrator
from chatlib.predict.protocol import split_streams
from chatlib.predict.questions import Question
from chatlib.predict.scorer import Scorer, digest_encoder, load_scorer, save_scorer
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import FixedEncoder, fit_small_blends

FILES = ("donor.json", "terms.json", "words.safetensors", "trees.txt", "transformer_0/model.json",
         "transformer_1/model.safetensors")  # fmt: skip
STRANGE = ("NaN", "Infinity", "-1", "0", "1e999", "99999999999999999999", "null", '"x"', "[]", "{}", "nan")


@pytest.fixture(scope="module")
def saved(channel_path, tmp_path_factory):
    """A saved scorer beside the folder of its language model."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "lm").mkdir()
    (folder / "lm" / "model.safetensors").write_bytes(b"weights")
    with open_store(channel_path) as db:
        viewers, split = load_viewers(db), split_streams(db)
    blends, _ = fit_small_blends(viewers, split, FixedEncoder())
    blend = blends["blend: messages, badges, history"]
    digest = digest_encoder(folder / "lm")
    save_scorer(
        Scorer(blend, Question("retrospective"), Calibrator(1.0, 0.0), 0.1, 0.05, digest), folder / "donor"
    )
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "copy")
    return tmp_path / "copy"


def try_to_score(db, folder):
    """Return the probabilities, or None where the model was refused."""
    try:
        scorer = load_scorer(folder / "donor", encoder_folder=folder / "lm")
        return scorer.score(db, 8, FixedEncoder())["probability"].to_numpy()
    except ModelError as error:
        assert "\n" not in str(error) or len(str(error)) < 2000
        return None


def mutate(data, rng):
    """Return bytes with a cut, a flip, a repetition or another number in them."""
    at, n = int(rng.integers(len(data))), int(rng.integers(1, 9))
    kind = rng.integers(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.bytes(n) + data[at + n :]
    if kind == 2:
        return data[:at] + data[at : at + 200] + data[at:]
    if kind == 3:
        return data[:at] + data[at + n :]
    numbers = list(re.finditer(rb"-?\d[\d.e+-]*", data))
    if not numbers:
        return data[:at]
    number = numbers[rng.integers(len(numbers))]
    return data[: number.start()] + STRANGE[rng.integers(len(STRANGE))].encode() + data[number.end() :]


@pytest.mark.parametrize("n", [120, pytest.param(2000, marks=pytest.mark.real)])
def test_mutated_models_are_refused_or_score_finitely(channel, copy, n):
    honest = try_to_score(channel, copy)
    assert np.isfinite(honest).all()
    rng, refused = np.random.default_rng(0), 0
    for i in range(n):
        path = copy / "donor" / FILES[i % len(FILES)]
        data = path.read_bytes()
        path.write_bytes(mutate(data, rng))
        start = time.process_time()
        scores = try_to_score(channel, copy)
        assert time.process_time() - start < 10
        refused += scores is None
        assert scores is None or np.isfinite(scores).all()
        path.write_bytes(data)
    assert refused > n / 3
    np.testing.assert_array_equal(try_to_score(channel, copy), honest)


def set_member(card, *names, value):
    for name in names[:-1]:
        card = card[name]
    card[names[-1]] = value


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (("members", "trees", "columns"), ["who_paid"]),
        (("members", "words", "columns"), []),
        (("members", "words", "intercept"), float("nan")),
        (("members", "n_transformers"), 0),
        (("members", "n_transformers"), 10**9),
        (("members", "known_before"), "no"),
        (("members", "weights"), {"trees": 1.0}),
        (("members", "weights", "trees"), float("nan")),
        (("members", "shift"), float("inf")),
        (("members", "trees", "n_seeds"), 0),
        (("question",), {"name": "future"}),
        (("question", "landmark_min"), "half"),
        (("calibrator",), {"slope": 1.0}),
        (("calibrator", "slope"), float("nan")),
        (("threshold",), None),
    ],
)
def test_a_card_that_does_not_fit_is_refused(channel, copy, names, value):
    path = copy / "donor" / "donor.json"
    card = json.loads(path.read_text())
    set_member(card, *names, value=value)
    path.write_text(json.dumps(card))
    assert try_to_score(channel, copy) is None


@pytest.mark.parametrize(
    "change",
    [{"n_layers": 10**9}, {"width": 10**7, "n_heads": 1}, {"dim": 10**6}, {"dim": "x"}, {"n_heads": 0}],
)
def test_a_shape_that_the_weights_do_not_have_is_refused_before_room_is_taken(channel, copy, change):
    path = copy / "donor" / "transformer_0" / "model.json"
    path.write_text(json.dumps({"config": json.loads(path.read_text())["config"] | change}))
    start = time.process_time()
    assert try_to_score(channel, copy) is None and time.process_time() - start < 5


@pytest.mark.parametrize("name", ["words.safetensors", "transformer_1/model.safetensors"])
@pytest.mark.parametrize("change", ["missing", "nan", "shape"])
def test_weights_that_are_missing_not_finite_or_of_another_shape_are_refused(channel, copy, name, change):
    path = copy / "donor" / name
    for key in list(weights := load_file(path)):
        changed = dict(weights)
        if change == "missing":
            del changed[key]
        elif change == "nan":
            changed[key] = np.full_like(weights[key], np.nan)
        else:
            changed[key] = np.concatenate([weights[key], weights[key]])
        save_file(changed, path)
        assert try_to_score(channel, copy) is None, key


def test_deeply_nested_and_endless_cards_are_refused(channel, copy):
    for name in ("donor.json", "terms.json", "transformer_0/model.json"):
        path = copy / "donor" / name
        data = path.read_bytes()
        for text in (b"[" * 100_000, b"", b"\xff\xfe", b"[]", b"{}", b"null", b"1" * 10_000):
            path.write_bytes(text)
            assert try_to_score(channel, copy) is None, text[:9]
        path.write_bytes(data)
