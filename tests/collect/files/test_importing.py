"""Chat files into the database: each whole or not at all, twice changes nothing."""

import gzip
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatlib.collect.files import formats, importing
from chatlib.collect.files.formats import read_chat_file
from chatlib.collect.files.importing import _read_packed, import_chats
from chatlib.collect.files.into_dataset import import_into_dataset
from chatlib.errors import MissingSource, ParameterError, SourceError, StoreFull, UnknownFormat
from chatlib.records import Message, Stream
from chatlib.store import open_store
from tests.places import ROOT
from tests.waiting import is_alive, wait_until


@pytest.fixture
def folder(tmp_path, files):
    """A folder with a chat of every format, and what else lies in such folders."""
    chat = tmp_path / "chats"
    chat.mkdir()
    for name, data in files.items():
        (chat / name).write_bytes(data)
    (chat / "README.md").write_text("# notes")
    (chat / "page.html").write_text("<!DOCTYPE html><title>x</title>")
    (chat / "other.json").write_text('{"a": 1}')
    return chat


@pytest.fixture(params=["here", "in a process"])
def place(request, monkeypatch):
    """Run a test twice: reading in this process, and ahead in another."""
    monkeypatch.setattr(importing, "MIN_BYTES", 0 if request.param == "in a process" else 10**12)
    monkeypatch.setattr(importing.os, "cpu_count", lambda: 2)
    return request.param


def lines_of(n, *, seed=0):
    """Return a chat of n messages as JSON Lines."""
    rows = (
        {"message_id": f"{seed}-{i}", "message_type": "text_message", "message": f"word {i * 7919 % 101}",
         "author": {"id": f"UC{(i + seed) % 37}", "name": f"Name {(i + seed) % 41}"},
         "time_in_seconds": i / 2, "timestamp": 1773966060000000 + i}
        for i in range(n)
    )  # fmt: skip
    return "\n".join(map(json.dumps, rows)).encode()


def make_channel(folder, n_streams, n_messages):
    (folder / "chat").mkdir(parents=True)
    days = [f"{i:011d},2026-01-{n_streams - i:02d}" for i in range(n_streams)]
    (folder / "streams.csv").write_text("video_id,date\n" + "\n".join(days) + "\n")
    for i in range(n_streams):
        data = lines_of(n_messages, seed=i)
        (folder / "chat" / f"{i:011d}.jsonl.gz").write_bytes(gzip.compress(data, 1))
    return folder


def test_every_format_comes_in_and_what_cannot_is_told(folder, db, place):
    report = import_chats(db, [folder])
    table = report.to_table().set_index("file")
    assert table["format"].to_dict() == {
        "flat.json": "chat-downloader", "live.json": "chat-downloader", "nested.json": "chat-downloader",
        "nested.jsonl": "chat-downloader", "other.json": "", "page.html": "", "page.json": "video-page",
        "rechat.json": "twitch-downloader", "replay.live_chat.json": "youtube", "response.json": "youtube",
        "v5.json": "twitch-v5",
    }  # fmt: skip
    assert table["rows"].to_dict() == {
        "flat.json": 6, "live.json": 5, "nested.json": 6, "nested.jsonl": 6, "other.json": 0, "page.html": 0,
        "page.json": 0, "rechat.json": 4, "replay.live_chat.json": 8, "response.json": 8, "v5.json": 4,
    }  # fmt: skip
    assert {path.name for path in report.errors} == {"page.html", "other.json"}
    assert [path.name for path in report.ignored] == ["README.md"]
    assert report.skipped["unknown renderer: liveChatHologramRenderer"] == 2
    assert report.skipped["page of a video, without its chat"] == 1
    assert report.totals["streams"] == 8  # nested.json and nested.jsonl are one
    assert report.totals["messages"] == report.n_added == 41
    assert report.totals["paid"] == 1 + 1 + 3 + 3 + 3 + 3  # flat, nested, two of YouTube's, two of Twitch's
    assert report.is_usable


def test_a_second_import_adds_nothing_and_reads_nothing(folder, db, place, monkeypatch):
    first = import_chats(db, [folder])
    digest, streams = db.digest(), db.load_streams()
    monkeypatch.setattr(importing, "MIN_BYTES", 10**12)
    read = []
    monkeypatch.setattr(formats, "read_chats", lambda *args, **row: read.append(row["file_name"]))
    second = import_chats(db, [folder])
    assert sorted(read) == ["other.json", "page.html"]
    assert (second.n_added, second.totals) == (0, first.totals)
    assert {f.state for f in second.files} == {"known", "failed"}
    assert second.skipped == first.skipped
    assert db.digest() == digest
    assert db.load_streams().equals(streams)


def test_reading_ahead_gives_what_reading_here_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(importing.os, "cpu_count", lambda: 2)
    make_channel(tmp_path / "channel", 5, 50)
    digests = set()
    for n_bytes in (0, 10**12):
        monkeypatch.setattr(importing, "MIN_BYTES", n_bytes)
        with open_store(tmp_path / f"{n_bytes}.dbs", create=True) as db:
            report = import_chats(db, [tmp_path / "channel"])
            assert report.totals == {"streams": 5, "messages": 250, "authors": 37, "paid": 0}
            assert [f.stream for f in report.files] == [f"twitch/{i:011d}" for i in (4, 3, 2, 1, 0)]
            digests.add(db.digest())
    assert len(digests) == 1


def test_what_the_list_says_is_in_the_database(tmp_path, db, files):
    (tmp_path / "c" / "chat").mkdir(parents=True)
    (tmp_path / "c" / "chat" / "My title [abcdefghijk].json").write_bytes(files["nested.json"])
    (tmp_path / "c" / "streams.csv").write_text(
        "video_id,title,started_at,duration_s,channel,simulated\nabcdefghijk,T,2026-03-20T00:21:00Z,60,Ann,1\n"
    )
    import_chats(db, [tmp_path / "c"])
    stream = db.load_streams().iloc[0]
    assert stream[list(Stream._fields)].to_list() == [
        "youtube", "abcdefghijk", "https://www.youtube.com/watch?v=abcdefghijk", "T", None, "Ann",
        "2026-03-20T00:21:00+00:00", None, 60.0, "complete", "file", 1, None, None,
    ]  # fmt: skip
    (tmp_path / "c" / "streams.csv").write_text("video_id,title\nabcdefghijk,A better title\n")
    report = import_chats(db, [tmp_path / "c"])
    assert ([f.state for f in report.files], report.n_added) == (["imported"], 0)
    assert db.load_streams().iloc[0]["title"] == "A better title"


def test_only_the_oldest_streams_with_a_limit(tmp_path, db):
    make_channel(tmp_path / "channel", 4, 3)
    report = import_chats(db, [tmp_path / "channel"], limit=2)
    assert [f.stream for f in report.files] == ["twitch/00000000003", "twitch/00000000002"]
    assert len(db.load_streams()) == 2
    assert import_chats(db, [tmp_path / "channel"], limit=0).totals["streams"] == 4
    with pytest.raises(ParameterError):
        import_chats(db, [tmp_path / "channel"], limit=-1)


def test_two_files_of_one_stream_count_as_one(tmp_path, db):
    make_channel(tmp_path / "channel", 3, 3)
    (tmp_path / "channel/chat/Again [00000000002].jsonl").write_bytes(lines_of(5, seed=2))
    report = import_chats(db, [tmp_path / "channel"], limit=1)
    assert len(report.files) == 2
    assert report.totals == {"streams": 1, "messages": 5, "authors": 5, "paid": 0}


@pytest.mark.parametrize("way", ["database", "data set"])
def test_two_streams_in_files_of_one_name_are_not_taken_for_one(tmp_path, db, way):
    def take_in(*paths):
        to_set = way == "data set"
        return import_into_dataset(paths, tmp_path / "set") if to_set else import_chats(db, paths)

    rows = [{"message_id": f"m{i}", "message": "hi", "time_in_seconds": i} for i in range(4)]
    for folder, some in (("one", rows[:2]), ("two", rows[2:])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "chat.json").write_text(json.dumps(some))
    first, second = take_in(tmp_path / "one", tmp_path / "two").files
    assert (first.state, second.state, first.n_added) == ("imported", "failed", 2)
    assert "Rename the file" in second.error
    (tmp_path / "one" / "chat.json").write_text(json.dumps(rows[:3]))  # it has grown
    assert take_in(tmp_path / "one").totals["messages"] == 3
    (tmp_path / "two" / "streams.csv").write_text("video_id,title\nchat,a second part\n")
    assert take_in(tmp_path / "two").totals["messages"] == 4


def test_a_stream_without_a_message_is_a_stream(tmp_path, db):
    (tmp_path / "abcdefghijk.json").write_text("[]")
    assert import_chats(db, [tmp_path / "abcdefghijk.json"]).totals["streams"] == 1
    assert db.load_streams()[["video_id", "n_messages"]].values.tolist() == [["abcdefghijk", 0]]


def test_a_page_without_chat_leaves_what_is_known_of_the_chat(tmp_path, db, files):
    db.save_chat(
        Stream("youtube", "abcdefghijk", view="live", state="partial"), [Message("1", "text_message")]
    )
    (tmp_path / "page.json").write_bytes(files["page.json"])
    import_chats(db, [tmp_path / "page.json"])
    stream = db.load_streams().iloc[0]
    assert stream[["title", "state", "view", "n_messages"]].to_list() == ["A page", "partial", "live", 1]


def test_a_file_cut_short_is_a_partial_stream(tmp_path, db, files):
    (tmp_path / "x.json").write_bytes(files["nested.json"][:-100])
    report = import_chats(db, [tmp_path / "x.json"])
    assert report.skipped == {"file is cut short": 1}
    assert db.load_streams().iloc[0][["state", "n_messages"]].to_list() == ["partial", 5]


def test_without_offsets_they_count_from_the_first_message_and_it_is_told(tmp_path, files, caplog):
    (tmp_path / "live.json").write_bytes(files["live.json"])
    with caplog.at_level(logging.INFO):
        chat = read_chat_file(tmp_path / "live.json")
    assert [m.offset_s for m in chat.messages] == [-2824565.473707, 0.0, 1.0, None, 0.25]
    assert (chat.stream.view, chat.stream.started_at) == ("live", "2020-12-04T03:59:17+00:00")
    assert "no offsets" in caplog.text


def test_one_chat_file_that_is_none(tmp_path, make_old_database):
    with pytest.raises(MissingSource):
        read_chat_file(tmp_path / "nowhere.json")
    for name, data, error in (
        ("a", b"text", UnknownFormat),
        ("b", b"", SourceError),
        ("c", b'{"a":', SourceError),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(error):
            read_chat_file(tmp_path / name)
    with pytest.raises(SourceError, match="holds 2"):
        read_chat_file(make_old_database(tmp_path / "old.dbs"))
    chat = read_chat_file(tmp_path / "old.dbs", stream_id="b" * 11)
    assert (chat.format, [m.text for m in chat.messages]) == ("first version", ["wow"])


def test_an_id_that_different_messages_share_does_not_swallow_them(tmp_path, db):
    rows = [
        {"message_id": "dummy", "message_type": "paid_message", "message": "a", "time_in_seconds": 1,
         "author": {"id": "1"}, "money": {"text": f"${n}"}}
        for n in (1, 2, 2)
    ]  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert import_chats(db, [tmp_path / "x.json"]).totals["messages"] == 3
    (tmp_path / "y.json").write_text(json.dumps([rows[0], rows[0]]))  # the same row twice is one
    assert import_chats(db, [tmp_path / "y.json"]).totals["messages"] == 1


def test_the_database_itself_is_no_chat_in_its_folder(folder, files):
    with open_store(folder / "chat.dbs", create=True) as db:
        report = import_chats(db, [folder])
        assert not [f for f in report.files if "chat.dbs" in f.path.name]
        assert [path.name for path in report.ignored] == ["README.md"]


def test_names_of_files_may_be_no_utf8(tmp_path, db, files):
    path = os.fsencode(tmp_path) + b"/\xff\xfe.json"
    try:
        Path(os.fsdecode(path)).write_bytes(files["flat.json"])
    except OSError:
        pytest.skip("this file system takes no such name")
    assert import_chats(db, [tmp_path]).n_added == 6


def test_a_file_that_the_reader_fails_on_is_one_error(folder, db, monkeypatch):
    def fail(data, *, file_name, **others):
        if file_name == "flat.json":
            raise ZeroDivisionError("a bug")
        return read(data, file_name=file_name, **others)

    read = formats.read_chats
    monkeypatch.setattr(formats, "read_chats", fail)
    report = import_chats(db, [folder])
    assert "a bug" in report.errors[folder / "flat.json"]
    assert sum(f.state == "imported" for f in report.files) == 8


def read_or_die(task):
    if "00002" in task[0]:
        os._exit(9)
    return _read_packed(task)


def test_a_file_that_kills_the_reader_is_one_error(tmp_path, db, monkeypatch):
    make_channel(tmp_path / "channel", 4, 10)
    monkeypatch.setattr(importing, "MIN_BYTES", 0)
    monkeypatch.setattr(importing.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(importing, "_read_packed", read_or_die)
    report = import_chats(db, [tmp_path / "channel"])
    assert [(f.state, f.n_rows) for f in report.files] == [
        ("imported", 10), ("failed", 0), ("imported", 10), ("imported", 10),
    ]  # fmt: skip


def test_a_full_disk_is_one_error_and_what_was_there_is_whole(tmp_path, place):
    make_channel(tmp_path / "channel", 6, 300)
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        import_chats(db, [tmp_path / "channel"], limit=2)
        before = db.digest()
        (n_pages,) = db.connection.execute("PRAGMA page_count").fetchone()
        db.connection.execute(f"PRAGMA max_page_count = {n_pages + 3}")
        with pytest.raises(StoreFull, match="room"):
            import_chats(db, [tmp_path / "channel"])
        assert db.digest() == before
    with open_store(tmp_path / "chat.dbs") as db:
        assert db.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert import_chats(db, [tmp_path / "channel"]).totals["streams"] == 6


# It waits to be killed when a stream's rows are written, and not yet for good.
IMPORT = """
import itertools, sys, time
from chatlib.collect.files import importing
from chatlib.store import Store, open_store
importing.MIN_BYTES = 0
importing.os.cpu_count = lambda: 2
save_chat, numbers = Store.save_chat, itertools.count()
def save_and_wait(*arguments, **given):
    saved = save_chat(*arguments, **given)
    if next(numbers) == int(sys.argv[2]):
        print("now", flush=True)
        time.sleep(600)
    return saved
Store.save_chat = save_and_wait
with open_store(sys.argv[1], create=True) as db:
    importing.import_chats(db, sys.argv[3:])
"""


def start_import(db, n_streams, channel):
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT, db, str(n_streams), channel],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.skipif(not list(Path("/proc/self/task").glob("*/children")), reason="needs /proc")
def test_killed_anywhere_and_run_again_it_is_as_if_nothing_had_been(tmp_path):
    channel = make_channel(tmp_path / "channel", 9, 300)
    with open_store(tmp_path / "whole.dbs", create=True) as db:
        import_chats(db, [channel])
        digest = db.digest()
    for n_streams, how in ((0, signal.SIGKILL), (1, signal.SIGKILL), (3, signal.SIGINT), (7, signal.SIGKILL)):
        path = tmp_path / f"{n_streams}.dbs"
        process = start_import(path, n_streams, channel)
        assert process.stdout.readline() == b"now\n"
        children = children_of(process.pid)
        process.send_signal(how)
        process.communicate()
        for child in children:
            wait_until(lambda child=child: not is_alive(child))  # no reader is left behind
        with open_store(path, create=True) as db:
            assert len(db.load_streams()) == n_streams
            import_chats(db, [channel])
            assert db.digest() == digest


def test_an_import_that_brought_nothing_can_be_refused(tmp_path):
    (tmp_path / "note.txt").write_text("no chat")
    with open_store(tmp_path / "chat.dbs", create=True) as store:
        report = import_chats(store, [tmp_path / "note.txt"])
    with pytest.raises(UnknownFormat, match=r"none of 1 was\. note\.txt: "):
        report.require_usable()
