"""The channel whose donor model is damaged."""

import pytest

from chatlib.store import open_store
from tests.predict.channels import make_channel, save


@pytest.fixture(scope="session")
def channel_path(tmp_path_factory):
    """A database of `make_channel`, to be read only."""
    path = tmp_path_factory.mktemp("channel") / "channel.dbs"
    with open_store(path, create=True) as db:
        save(db, make_channel())
    return path


@pytest.fixture
def channel(channel_path):
    with open_store(channel_path) as db:
        yield db
