"""Runs and chains of small notebooks."""

import pytest


@pytest.fixture
def chain(tmp_path):
    """Return where five small notebooks and their runs lie, as settings of a run."""
    from tests.pipeline.stubs import write_chain

    write_chain(tmp_path / "notebooks")
    return {"notebooks_dir": tmp_path / "notebooks", "runs_dir": tmp_path / "runs"}


@pytest.fixture
def hand_run(tmp_path):
    """Return the folder of a run made by hand, and what `describe_run` returns for it."""
    from tests.pipeline.stubs import make_run

    return tmp_path / "mine", make_run(tmp_path / "mine")


@pytest.fixture
def chapters(monkeypatch):
    """Let the chain run chapters without kernels; return them."""
    from tests.pipeline.stubs import Chapters

    return Chapters(monkeypatch)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests of a process; each opens its own page."""
    from tests.pipeline.chromium import open_chromium

    with open_chromium() as opened:
        yield opened
