"""Databases of the channels that the tests of prediction read."""

import pytest
import threadpoolctl
import torch

from chatlib.store import open_store
from tests.predict.channels import SMALL, make_channel, save


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Models this small only lose by sharing their work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def small(tmp_path):
    """The database of SMALL."""
    with open_store(tmp_path / "small.dbs", create=True) as db:
        save(db, SMALL)
        yield db


@pytest.fixture(scope="session")
def channel_path(tmp_path_factory):
    """A database of `make_channel`, to be read only."""
    path = tmp_path_factory.mktemp("channel") / "channel.dbs"
    with open_store(path, create=True) as db:
        save(db, make_channel())
    return path


@pytest.fixture
def channel(channel_path):
    """The database of `make_channel`."""
    with open_store(channel_path) as db:
        yield db
