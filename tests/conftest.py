"""Fixtures that several parts share."""

import pytest


@pytest.fixture
def youtube(monkeypatch):
    """A local YouTube that the clients of this process reach as if it were the real one."""
    from tests.youtube.server import FakeYoutube, apply_environment

    with FakeYoutube() as fake:
        apply_environment(fake, monkeypatch)
        yield fake
