"""A chat of ten streams that says little, so that a tiny model can learn it in seconds."""

import random

import pytest

from chatlib.pretrain import corpus, language_model
from chatlib.pretrain.device import seed_torch
from chatlib.records import Message, Stream
from chatlib.store import open_store

SUBJECTS = ["the cat", "the dog", "a bird", "my fish", "the frog"]
VERBS = ["sees", "eats", "likes", "draws"]
THINGS = ["red apples", "green trees", "blue water", "a :_cat: emote", "おいしい魚"]


def say(rng):
    # The thing follows from the subject: what a model can learn and word counts cannot.
    subject = rng.randrange(len(SUBJECTS))
    return f"{SUBJECTS[subject]} {rng.choice(VERBS)} {THINGS[subject]} {rng.randrange(300)}"


def _make_stream(number):
    return Stream("youtube", f"v{number}", started_at=f"2026-01-{number + 1:02}")


def _make_chat(number, *, n=120):
    rng = random.Random(number)
    return [
        Message(f"m{i}", "text_message", float(i), f"a{rng.randrange(20)}", None, say(rng)) for i in range(n)
    ]


@pytest.fixture(scope="session")
def make_stream():
    return _make_stream


@pytest.fixture(scope="session")
def make_chat():
    return _make_chat


@pytest.fixture(scope="session")
def db_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("chat") / "chat.dbs"
    with open_store(path, create=True) as db:
        for number in range(10):
            db.save_chat(_make_stream(number), _make_chat(number))
    return path


@pytest.fixture
def db(db_path):
    with open_store(db_path) as db:
        yield db


@pytest.fixture(scope="session")
def chat(db_path):
    with open_store(db_path) as db:
        return corpus.build_corpus(db)


@pytest.fixture
def lm(chat):
    seed_torch(0)
    return language_model.new_language_model(chat.train["text"].tolist(), vocabulary=400, layers=2, width=32)
