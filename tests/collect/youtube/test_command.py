"""`collect` and `update` as a person runs them: killed, with a secret, with a wrong name."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading

import pytest

from chatlib.__main__ import main
from chatlib.collect.lists import load_stream_list
from chatlib.store import open_store
from tests.collect.youtube.site.videos import DATA_KEY, make_video, text_action, videos_of_simulation
from tests.places import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them are sent to children")
OPTIONS = ("--listing", "yt-dlp", "--requests-per-s", "1000", "--db", "chat.dbs")
SECRET = "AIza-a-secret-that-must-stay-one"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, caplog):
    """A function that runs a command in this process, and returns the exit code and all that was said."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        caplog.clear()
        code = main([*(words or ("collect", "@sample")), *OPTIONS])
        return code, "".join(capsys.readouterr()) + caplog.text

    return run


def start(folder):
    """Start a process that collects @sample."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "chatlib", "collect", "@sample", *OPTIONS],
        cwd=folder, env=os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def succeed(folder):
    """Collect @sample, which is to end well."""
    process = start(folder)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said


def digest(folder):
    with open_store(folder / "chat.dbs") as db:
        return db.digest()


def list_without_times(folder):
    rows = load_stream_list(folder / "sample.ods")
    return [{key: value for key, value in row.items() if key != "fetched_at"} for row in rows]


def small_videos(*letters):
    return [
        make_video(
            letter * 11,
            [text_action(i, f"{letter} {i}", offset_ms=i * 60_000, video_id=letter * 11) for i in range(5)],
            duration_s=300,
        )
        for letter in letters
    ]


class Killer:
    """Sends a signal to a child at the request of a given number that it makes."""

    def __init__(self, youtube):
        self._left, self._sign = 0, signal.SIGKILL
        self._lock = threading.Lock()
        self._child = None
        self._is_started = threading.Event()
        youtube.add_route("*", self._count)

    def run(self, number, start_child, sign):
        """Start a child, and return its exit code and output; it gets the signal at that request."""
        self._left, self._sign = number, sign
        self._is_started.clear()
        self._child = start_child()
        self._is_started.set()
        said, _ = self._child.communicate(timeout=300)
        return self._child.returncode, said

    def _count(self, request):
        with self._lock:
            self._left -= 1
            is_due = self._left == 0
        if is_due:
            self._is_started.wait()
            self._child.send_signal(self._sign)


@pytest.mark.parametrize(
    ("n_streams", "n_messages", "n_kills"),
    [(3, 600, 3), pytest.param(8, 3000, 25, marks=pytest.mark.real, id="25 kills")],
)
def test_killed_again_and_again_it_ends_with_the_same_content(
    youtube, tmp_path, n_streams, n_messages, n_kills
):
    """A kill at the nth request of each run: in the list, at a watch page, between batches and streams."""
    youtube.add_channel("@sample", videos_of_simulation(n_streams, n_messages, seed=9))
    succeed(tmp_path / "whole")
    killer, numbers = Killer(youtube), random.Random(4)
    for _ in range(n_kills):
        code, said = killer.run(numbers.randint(1, 9), lambda: start(tmp_path / "killed"), signal.SIGKILL)
        assert code == -signal.SIGKILL, said
    succeed(tmp_path / "killed")
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    assert list_without_times(tmp_path / "killed") == list_without_times(tmp_path / "whole")
    assert not (tmp_path / "killed" / "unfinished").exists()


def test_the_api_gives_exact_facts_and_its_key_is_seen_nowhere(youtube, tmp_path, run, monkeypatch):
    videos = small_videos("a", "b", "c")
    youtube.add_channel("@sample", videos)
    youtube.api_key = SECRET
    monkeypatch.setenv("YOUTUBE_API_KEY", SECRET)
    videos[2].status = "deleted"
    code, said = run()
    assert code == 0 and "Exact start times" not in said
    youtube.api_key = DATA_KEY  # now the key is refused
    videos[1].status = "bot_check"
    code, said_then = run("update")
    assert code == 0 and SECRET not in said + said_then
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    rows = {row["video_id"]: row for row in load_stream_list(tmp_path / "sample.ods")}
    assert rows["a" * 11]["started_at"][:19] == videos[0].started_at[:19]
    assert rows["a" * 11]["ended_at"][:19] == videos[0].ended_at[:19]


def test_a_list_of_channels_gives_a_sheet_per_channel(youtube, tmp_path, run):
    youtube.add_channel("@sample", small_videos("a"))
    youtube.add_channel("@other", small_videos("b", "c"), channel_id="UC" + 22 * "b")
    lines = "channel_url,spreadsheet\nhttps://www.youtube.com/@sample,one\n@other,two.ods\n"
    (tmp_path / "channels.csv").write_text(lines)
    assert run("collect", "channels.csv")[0] == 0
    assert [row["video_id"] for row in load_stream_list(tmp_path / "one.ods")] == ["a" * 11]
    assert {row["video_id"] for row in load_stream_list(tmp_path / "two.ods")} == {"b" * 11, "c" * 11}
    code, said = run("update")
    assert code == 0 and said.count("nothing to fetch") == 2


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("collect", "@sample", "--cookies", "no.txt"), {2}),
        (("collect", "https://example.com/@sample"), {1, 2}),
        (("collect", "channels.ods"), {1, 2}),
        (("collect", "not a channel"), {1, 2}),
    ],
)
def test_a_wrong_option_and_what_is_no_channel_are_one_sentence_and_a_code(
    youtube, tmp_path, run, words, codes
):
    code, said = run(*words)
    assert code in codes and words[-1] in said and "Traceback" not in said
    assert youtube.requests == [] and list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")  # yt-dlp's
@pytest.mark.filterwarnings("ignore:unclosed.*SSLSocket:ResourceWarning")
def test_the_exit_code_tells_whether_a_channel_or_a_stream_failed(youtube, run):
    videos = small_videos("a", "b")
    youtube.add_channel("@sample", videos)
    videos[0].status = "bot_check"
    code, said = run()
    assert code == 1 and "1 blocked" in said
    assert run("collect", "@sample", "--ignore-errors")[0] == 0
    videos[0].status = "finished"
    assert run()[0] == 0
    youtube.channels.clear()
    code, said = run()
    assert code == 1 and "could not be listed" in said
    gc.collect()  # what yt-dlp left open, it warns of here


def test_a_sheet_that_cannot_be_used_is_told_and_the_next_channel_goes_on(youtube, tmp_path, run):
    youtube.add_channel("@sample", small_videos("a"))
    youtube.add_channel("@other", small_videos("b"))
    (tmp_path / "channels.csv").write_text("@sample,one\n@other,two.ods\n")
    (tmp_path / "one.ods").write_bytes(b"a letter")
    code, said = run("collect", "channels.csv")
    assert code == 1 and "one.ods is not" in said and "Traceback" not in said
    assert (tmp_path / "one.ods").read_bytes() == b"a letter"
    with open_store(tmp_path / "chat.dbs") as db:
        assert db.load_streams()["video_id"].tolist() == ["b" * 11]
