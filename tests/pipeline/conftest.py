"""Runs and chains of small notebooks."""

import pytest

from tests.pipeline.chromium import open_chromium
from tests.pipeline.stubs import Chapters, make_run, write_chain


@pytest.fixture
def chain(tmp_path):
    """Return where five small notebooks and their runs lie, as settings of a run."""
    write_chain(tmp_path / "notebooks")
    return {"notebooks_dir": tmp_path / "notebooks", "runs_dir": tmp_path / "runs"}


@pytest.fixture
def hand_run(tmp_path):
    """Return the folder of a run made by hand, and what `describe_run` returns for it."""
    return tmp_path / "mine", make_run(tmp_path / "mine")


@pytest.fixture
def chapters(monkeypatch):
    """Let the chain run chapters without kernels; return them."""
    return Chapters(monkeypatch)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests of a process; each opens its own page."""
    with open_chromium() as opened:
        yield opened
