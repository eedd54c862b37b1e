"""Databases of the channels that the tests of prediction read."""

import pytest

from chatlib.store import open_store


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Models this small only lose by sharing their work."""
    import threadpoolctl
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def small(tmp_path):
    """The database of SMALL."""
    from tests.predict.channels import SMALL, save

    with open_store(tmp_path / "small.dbs", create=True) as db:
        save(db, SMALL)
        yield db
