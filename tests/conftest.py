"""Fixtures that several parts share."""

import os
import signal
import sys
from itertools import pairwise

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
    "03.VOCABULARY=1000",
    "03.LAYERS=1",
    "03.WIDTH=64",
    "03.COHERENCE_MESSAGES=300",
    "04.MAX_MESSAGES=8",
    "04.EPOCHS=1",
    "04.N_LAYERS=1",
    "04.N_SEEDS=1",
    "04.OTHERS_PER_DONOR=3",
    "04.N_BOOTSTRAP=30",
]

NOT_REAL = "not real"  # what `make test` selects
PIPELINE = "tests/pipeline/"
OF_THE_SAMPLES_RUN = tuple(
    f"{PIPELINE}test_{name}.py" for name in ("browser", "committed", "pages", "sample_run")
)

OF_MODELS = ("tests/predict/", "tests/pretrain/")  # a process each: torch takes seconds to import

# A shell starts what runs in the background deaf to Ctrl-C, and children inherit that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Begin with what takes longest: the pages of a whole run, then models, and what else runs notebooks."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINE))
    items.sort(key=lambda item: not item.nodeid.startswith(OF_MODELS))
    items.sort(key=lambda item: not item.nodeid.startswith(OF_THE_SAMPLES_RUN))


class WholeFile(pytest.Item):
    """A file of tests that a worker has not read yet: it imports only what it runs."""

    def runtest(self, nextitem=None):
        """Collect the tests of the file and run them in its place."""
        config, session = self.config, self.session
        place = session.items.index(self)
        tests = list(session.genitems(pytest.Module.from_parent(self.parent.parent, path=self.path)))
        config.hook.pytest_collection_modifyitems(session=session, config=config, items=tests)
        for test, following in pairwise([*tests, nextitem]):
            session.items[place] = test  # xdist holds a report against it
            config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        session.items[place] = self


class FileOfTests(pytest.File):
    def collect(self):
        yield WholeFile.from_parent(self, name="all")


def pytest_pycollect_makemodule(module_path, parent):
    """Where several workers run all tests, let each collect a file when its turn comes."""
    config = parent.config
    chosen = config.option.keyword or "::" in "".join(config.args)
    if hasattr(config, "workerinput") and config.option.markexpr == NOT_REAL and not chosen:
        return FileOfTests.from_parent(parent, path=module_path)
    return None


def pytest_runtest_protocol(item, nextitem):
    return item.runtest(nextitem) or True if isinstance(item, WholeFile) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give the tests of a file to one process, those of models by folder, and the sample's run to one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(OF_THE_SAMPLES_RUN):
                return PIPELINE
            return next((f for f in OF_MODELS if nodeid.startswith(f)), nodeid.split("::")[0])

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
