"""A saved forecaster that somebody changed: one ModelError or finite probabilities, no loop, no traceback."""

import json
import random
import re
import shutil
import time

import numpy as np
import pytest

from chatlib.errors import ModelError
from chatlib.predict import ARRIVAL, Question
from chatlib.predict.forecast import fit_forecaster, load_forecaster, rank_people, save_forecaster
from chatlib.predict.viewers.people import load_people
from chatlib.store import open_store
from tests.attacks.commands import mutate_bytes

STRANGE = ("NaN", "Infinity", "-1", "0", "1e999", "99999999999999999999", "null", '"x"', "[]", "{}", "nan")


@pytest.fixture(scope="module")
def people(channel_path):
    with open_store(channel_path) as db:
        return load_people(db, Question(ARRIVAL))


@pytest.fixture(scope="module")
def saved(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    return save_forecaster(folder, fit_forecaster(people, n_seeds=1)).parent


@pytest.fixture
def copy(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "copy")
    return tmp_path / "copy"


def try_to_rank(people, folder):
    """Return the probabilities, or None where the forecaster was refused."""
    try:
        return rank_people(load_forecaster(folder, ARRIVAL), people)["p_pays"].to_numpy()
    except ModelError as error:
        assert "\n" not in str(error) or len(str(error)) < 2000
        return None


def mutate(data, rng):
    """Return bytes that are damaged, or have another number in them."""
    numbers = list(re.finditer(rb"-?\d[\d.e+-]*", data))
    if rng.random() < 0.7 or not numbers:
        return mutate_bytes(data, rng)
    number = rng.choice(numbers)
    return data[: number.start()] + rng.choice(STRANGE).encode() + data[number.end() :]


@pytest.mark.parametrize("n", [60, pytest.param(1000, marks=pytest.mark.real)])
def test_mutated_forecasters_are_refused_or_rank_finitely(people, copy, n):
    honest = try_to_rank(people, copy)
    assert np.isfinite(honest).all()
    rng, refused = random.Random(0), 0
    for i in range(n):
        path = copy / ARRIVAL / ("forecaster.json", "pays.txt")[i % 2]
        data = path.read_bytes()
        path.write_bytes(mutate(data, rng))
        start = time.process_time()
        scores = try_to_rank(people, copy)
        assert time.process_time() - start < 10
        refused += scores is None
        assert scores is None or np.isfinite(scores).all()
        path.write_bytes(data)
    assert refused > n / 4
    np.testing.assert_array_equal(try_to_rank(people, copy), honest)


@pytest.mark.parametrize(
    "change",
    [
        {"trees": {"pays": {"columns": ["who_paid"], "n_seeds": 1, "line": None}}},
        {"trees": {"pays": {"columns": [], "n_seeds": 1, "line": None}}},
        {"trees": {"pays": {"n_seeds": 0}}},
        {"trees": {"pays": {"columns": ["visits"], "n_seeds": 1, "line": ["paid_visits", 0.1, 1, -3]}}},
        {"trees": {"../../pays": {"columns": ["visits"], "n_seeds": 1, "line": None}}},
        {"trees": {}},
        {"question": {"name": "future"}},
        {"question": {"name": "forecast"}},
        {"question": {"name": "arrival", "landmark_min": "half"}},
        {"sentences": None},
        {"n_streams": "many"},
        {"version": 99},
    ],
)
def test_a_card_that_does_not_fit_is_refused(people, copy, change):
    path = copy / ARRIVAL / "forecaster.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert try_to_rank(people, copy) is None


def test_deeply_nested_and_endless_cards_are_refused(people, copy):
    path = copy / ARRIVAL / "forecaster.json"
    for text in (b"[" * 100_000, b"", b"\xff\xfe", b"[]", b"{}", b"null", b"1" * 10_000):
        path.write_bytes(text)
        assert try_to_rank(people, copy) is None, text[:9]
