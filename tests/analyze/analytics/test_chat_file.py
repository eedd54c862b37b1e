"""Chat files: the quick reader and the importers give the same analytics."""

import gzip
import json
import os
import random
import subprocess
import sys
from contextlib import nullcontext

import pytest

from chatlib.analyze.analytics import quick_reader
from chatlib.analyze.analytics.quick_reader import start_reading
from chatlib.analyze.analytics.readers import analyze_chat, read_file
from chatlib.errors import ChatlibError, ParameterError
from tests.places import SHARED

ROWS = [
    {
        "action_type": "add_chat_item",
        "author": {
            "badges": [{"title": "Moderator", "icons": [{"id": "a"}, {"id": "b"}]}, {"title": "Member"}],
            "id": f"UC{i % 5:022d}",
            "name": f"viewer {i % 5} }}, {{",
        },
        "message": ["hi", '},\n{"action_type": "x"', '日本 \\ " ]'][i % 3],
        "message_id": f"id{i - 2 if i % 4 == 3 else i}",  # a ticker has the id of what it repeats
        "message_type": ["text_message", "paid_message", "membership_item", "ticker_paid_message_item"][
            i % 4
        ],
        "time_in_seconds": round(i * 0.7 - 3, 2),
        "time_text": "0:01",
        "timestamp": 1_600_000_000_000_000 + i,
    }
    for i in range(120)
]


def read_quickly(path):
    with start_reading(path) as reading:
        return reading.finish() if reading else None


def analyze_both_ways(path, monkeypatch, **options):
    """Return the quick way's result and the careful way's."""
    quick = analyze_chat(read_file(path, **options)).to_dict()
    with monkeypatch.context() as patch:
        patch.setattr("chatlib.analyze.analytics.readers.start_reading", lambda path: nullcontext())
        return quick, analyze_chat(read_file(path, **options)).to_dict()


LAYOUTS = {
    "array": lambda rows: json.dumps(rows),
    "indented": lambda rows: json.dumps(rows, indent=4),
    "sorted": lambda rows: json.dumps(rows, indent=2, sort_keys=True, ensure_ascii=False),
    "a row a line": lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n",
    "lines": lambda rows: "\n".join(map(json.dumps, rows)),
    "lines with gaps": lambda rows: "\n\n".join(map(json.dumps, rows)) + "\n\n",
    "one row": lambda rows: json.dumps(rows[10:11]),
    "mark": lambda rows: "\ufeff" + json.dumps(rows),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("piece", [64, 300, 5000, 1 << 18])
def test_both_readers_agree_however_the_file_is_laid_out(layout, piece, tmp_path, monkeypatch):
    path = tmp_path / "chat.json"
    path.write_text(LAYOUTS[layout](ROWS), encoding="utf-8")
    monkeypatch.setattr(quick_reader, "_PIECE_BYTES", piece)
    assert read_quickly(path) is not None
    quick, careful = analyze_both_ways(path, monkeypatch)
    assert quick == careful
    assert quick["totalActivity"] >= 1


def test_rows_that_come_again_count_once_as_in_a_database(tmp_path, monkeypatch):
    path = tmp_path / "chat.json"
    monkeypatch.setattr(quick_reader, "_PIECE_BYTES", 5000)
    alike = ROWS[52] | {"message_id": "another"}
    totals = []
    for rows in (ROWS, [ROWS[52], *ROWS], ROWS + ROWS[80:], [*ROWS, alike]):
        path.write_text(json.dumps(rows))
        quick, careful = analyze_both_ways(path, monkeypatch)
        assert quick == careful
        totals.append(quick["totalActivity"])
    assert totals == [totals[0]] * 3 + [totals[0] + 1]


@pytest.mark.parametrize("layout", ["indented", "lines"])
def test_a_large_file_is_read_in_pieces_that_hold_each_row_once(layout, tmp_path, monkeypatch):
    path = tmp_path / "chat.json"
    path.write_text(LAYOUTS[layout](ROWS), encoding="utf-8")
    monkeypatch.setattr(quick_reader, "_PIECE_BYTES", 1000)
    sizes = [piece.n_rows for piece in read_quickly(path)]
    assert sum(sizes) == len(ROWS)
    assert len(sizes) > 20
    assert max(sizes) < 10


@pytest.mark.parametrize("overlap", [1, 700])
def test_a_row_longer_than_a_piece_is_read_unless_its_end_is_too_far(overlap, tmp_path, monkeypatch):
    long = {**ROWS[4], "message": "x" * 3000}
    path = tmp_path / "chat.json"
    path.write_text(json.dumps([*ROWS[:60], long, *ROWS[60:]]))
    monkeypatch.setattr(quick_reader, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(quick_reader, "_OVERLAP_BYTES", overlap)
    assert sum(piece.n_rows for piece in read_quickly(path)) == len(ROWS) + 1
    monkeypatch.setattr(quick_reader, "_LONGEST_BYTES", 1000)
    assert read_quickly(path) is None
    quick, careful = analyze_both_ways(path, monkeypatch)
    assert quick == careful


TWO_PROCESSES = """
import os, sys
from chatlib.analyze.analytics import quick_reader
forks, take = [], quick_reader.Reading._take_pieces
fork = os.fork
os.fork = lambda: forks.append("numpy" in sys.modules) or fork()
quick_reader._can_fork = lambda: True  # even where there is one processor only
def take_as_told(reading):
    if not reading._child:
        CHILD
    return take(reading)
quick_reader.Reading._take_pieces = take_as_told
how, finish = [], quick_reader.Reading.finish
def finish_and_note(reading):
    pieces = finish(reading)
    how.append("quickly" if pieces else "carefully")
    return pieces
quick_reader.Reading.finish = finish_and_note
from chatlib.__main__ import main
code = main(["analyze", sys.argv[1], "--mode", "chatfile", "-o", "two.json"])
print(code, forks, *how)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no process is left")
"""


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "chat.json"
    rows = [{**ROWS[i % 120], "message_id": f"id{i}", "time_in_seconds": i / 9} for i in range(29_000)]
    path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    assert path.stat().st_size > 8 << 20
    return path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can fork")
@pytest.mark.parametrize("child", ["pass", "os._exit(1)", "os.kill(os.getpid(), 9)", "1 / 0"])
def test_two_processes_read_what_one_reads_whatever_becomes_of_the_second(child, large_file, tmp_path):
    code = TWO_PROCESSES.replace("CHILD", child)
    done = subprocess.run(
        [sys.executable, "-c", code, large_file], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    how = "quickly" if child == "pass" else "carefully"
    assert done.stdout.splitlines() == [f"0 [False] {how}", "no process is left"]
    assert "Traceback" not in done.stderr
    found = json.loads((tmp_path / "two.json").read_text(encoding="utf-8"))
    assert found == analyze_chat(read_file(large_file)).to_dict()
    assert found["totalActivity"] == 29_000


ODD = {
    "no author": {"author": None},
    "author is text": {"author": "somebody"},
    "author without id": {"author": {"name": "somebody"}},
    "empty id": {"author": {"id": "", "name": "somebody"}},
    "old author id": {"author_id": "x"},
    "no time": {"time_in_seconds": None},
    "time as text": {"time_in_seconds": "12"},
    "time is true": {"time_in_seconds": True},
    "far away": {"time_in_seconds": 2e8},
    "old time": {"video_offset_time_msec": 5000},
    "no kind": {"message_type": None},
    "empty kind": {"message_type": ""},
    "number as id": {"message_id": 7},
    "no id": {"message_id": None},
    "somebody else's id": {"message_id": "id5", "message_type": "paid_message"},
    "the same row again": ROWS[5],
    "nul": {"author": {"id": "a\x00b", "name": "n"}},
    "lone surrogate": {"author": {"id": "a\ud800b", "name": "n"}},
}


@pytest.mark.parametrize("odd", ODD)
def test_both_readers_agree_on_a_file_with_an_odd_row(odd, tmp_path, monkeypatch):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps([*ROWS[:7], {**ROWS[8], **ODD[odd]}, *ROWS[9:]]))
    quick, careful = analyze_both_ways(path, monkeypatch)
    assert quick == careful


@pytest.mark.parametrize("seed", range(60))
def test_both_readers_agree_on_damaged_files(seed, tmp_path, monkeypatch):
    rng = random.Random(seed)
    layout = rng.choice(sorted(LAYOUTS))
    data = bytearray(LAYOUTS[layout](ROWS[:40]).encode())
    for _ in range(rng.randint(1, 3)):
        data[rng.randrange(len(data))] = rng.choice(b'{}[],:"\\0aZ\n \xff')
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    path = tmp_path / "chat.json"
    path.write_bytes(data)
    monkeypatch.setattr(quick_reader, "_PIECE_BYTES", rng.choice([700, 1 << 18]))
    try:
        expected = analyze_both_ways(path, monkeypatch)[1]
    except ChatlibError as error:
        with pytest.raises(type(error)):
            analyze_chat(read_file(path))
        return
    assert analyze_chat(read_file(path)).to_dict() == expected


def test_the_platform_is_told_or_given_and_cannot_be_a_wrong_one(tmp_path):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(ROWS))
    assert analyze_chat(read_file(path)).platform == "www.youtube.com"
    assert analyze_chat(read_file(path, platform="youtube")).platform == "www.youtube.com"
    with pytest.raises(ParameterError, match="cannot be from twitch, since it holds membership_item"):
        analyze_chat(read_file(path, platform="twitch"))
    path.write_text(json.dumps([row for row in ROWS if row["message_type"] == "text_message"]))
    assert analyze_chat(read_file(path, platform="twitch")).platform == "www.twitch.tv"


def shared_chats():
    folder = SHARED
    chats = sorted(folder.glob("twitch/*.json.gz")) + sorted(folder.glob("youtube/chat_downloader/*.json"))
    return chats + sorted(folder.glob("twitch/channel_2023/chat/*.json.gz"))[:2]


@pytest.mark.parametrize("path", shared_chats() or [None], ids=lambda path: path and path.name)
def test_real_chat_files_are_read_alike(path, monkeypatch):
    if path is None:
        pytest.skip("needs ../shared/data")
    quick, careful = analyze_both_ways(path, monkeypatch)
    assert quick == careful
    assert quick["totalActivity"] > 0


def test_a_gzipped_file_is_read_quickly_too(tmp_path, monkeypatch):
    path = tmp_path / "chat.json.gz"
    path.write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    assert read_quickly(path) is not None
    quick, careful = analyze_both_ways(path, monkeypatch)
    assert quick == careful
