"""Fixtures that several parts share."""

import signal

import pytest

# A shell starts what runs in the background deaf to Ctrl-C, and children inherit that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def youtube(monkeypatch):
    """A local YouTube that the clients of this process reach as if it were the real one."""
    from tests.youtube.server import FakeYoutube, apply_environment

    with FakeYoutube() as fake:
        apply_environment(fake, monkeypatch)
        yield fake
