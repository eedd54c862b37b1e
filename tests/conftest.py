"""Fixtures that several parts share."""

import os
import signal
import sys

# Where several processes share the cores, each has one thread; before anything that reads it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

# jsonschema imports it where JupyterLab is installed, and every process would compile its grammar.
sys.modules["rfc3987_syntax"] = None

# The chain on half of the committed sample, at its smallest setting.
SMALLEST = [
    "01.LIMIT=10",
    "02.LIMIT=14",
    "03.MAX_MESSAGES=3000",
    "03.EPOCHS=1",
    "03.COHERENCE_MESSAGES=300",
    "04.MAX_MESSAGES=8",
    "04.EPOCHS=1",
    "04.N_LAYERS=1",
    "04.N_SEEDS=1",
    "04.OTHERS_PER_DONOR=3",
    "04.N_BOOTSTRAP=30",
]

PIPELINE = "tests/pipeline/"
OF_THE_SAMPLES_RUN = tuple(
    f"{PIPELINE}test_{name}.py" for name in ("browser", "bundle", "pictures", "sample_run")
)

# A shell starts what runs in the background deaf to Ctrl-C, and children inherit that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Begin with what takes longest: the pages of a whole run, then what else runs notebooks."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINE))
    items.sort(key=lambda item: not item.nodeid.startswith(OF_THE_SAMPLES_RUN))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give the tests of a file to one process, and all of the sample's run to one, which runs it once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return PIPELINE if nodeid.startswith(OF_THE_SAMPLES_RUN) else nodeid.split("::")[0]

    return ByFile(config, log)


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory):
    """Return the folder of one complete run of the sample; not to be changed by a test."""
    from chatlib.pipeline.chain import run_chain
    from chatlib.pipeline.settings import RunSettings

    return run_chain(RunSettings(overrides=SMALLEST, runs_dir=tmp_path_factory.mktemp("runs"))).parent


@pytest.fixture
def db(tmp_path):
    """An empty database, open."""
    from chatlib.store import open_store

    with open_store(tmp_path / "chat.dbs", create=True) as store:
        yield store


@pytest.fixture
def youtube(monkeypatch):
    """A local YouTube that the clients of this process reach as if it were the real one."""
    from tests.collect.youtube.site.server import FakeYoutube, apply_environment

    with FakeYoutube() as fake:
        apply_environment(fake, monkeypatch)
        yield fake


@pytest.fixture
def twitch(youtube):
    """A local Twitch beside the local YouTube."""
    from tests.collect.twitch.site.graphql import FakeTwitch

    fake = FakeTwitch()
    fake.play_on(youtube)
    return fake


@pytest.fixture(scope="session")
def channel_path(tmp_path_factory):
    """A database of the channel that prediction is tested on, to be read only."""
    from chatlib.store import open_store
    from tests.predict.channels import make_channel, save

    path = tmp_path_factory.mktemp("channel") / "channel.dbs"
    with open_store(path, create=True) as db:
        save(db, make_channel())
    return path


@pytest.fixture
def channel(channel_path):
    """The open database at `channel_path`."""
    from chatlib.store import open_store

    with open_store(channel_path) as db:
        yield db
