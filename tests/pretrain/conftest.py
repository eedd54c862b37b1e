"""The chat of ten streams in a database, and an untrained model for it."""

import shutil
from dataclasses import replace

import pytest

from chatlib.store import open_store
from tests.pretrain.chats import SMALL, make_chat, make_stream


@pytest.fixture(scope="session")
def db_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("chat") / "chat.dbs"
    with open_store(path, create=True) as db:
        for number in range(10):
            db.save_chat(make_stream(number), make_chat(number))
    return path


@pytest.fixture
def db(db_path):
    with open_store(db_path) as db:
        yield db


@pytest.fixture
def own_db(db_path, tmp_path):
    """A copy of the database that a test may change."""
    with open_store(shutil.copy(db_path, tmp_path)) as db:
        yield db


@pytest.fixture(scope="session")
def chat(db_path):
    from chatlib.pretrain.corpus import build_corpus

    with open_store(db_path) as db:
        return build_corpus(db, SMALL)


@pytest.fixture
def lm(chat):
    from chatlib.pretrain.device import seed_torch
    from chatlib.pretrain.language_model import new_language_model

    seed_torch(0)
    return new_language_model(chat.train["text"].tolist(), replace(SMALL, layers=2))


@pytest.fixture(scope="session")
def fresh(chat):
    """A function that makes the same untrained model and its data anew."""
    from chatlib.pretrain.data import make_data
    from chatlib.pretrain.device import seed_torch
    from chatlib.pretrain.language_model import new_language_model

    def make():
        seed_torch(0)
        lm = new_language_model(chat.train["text"].tolist(), SMALL)
        return lm, make_data(chat, lm.tokenizer, SMALL)

    return make


@pytest.fixture
def threads(request):
    """Let torch have so many threads; they must be given back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    assert torch.get_num_threads() == request.param
    torch.set_num_threads(before)
