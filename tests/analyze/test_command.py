"""`chatlib analyze`: chat-analyzer's options, an address, and one clear error for each wrong input."""

import json
import os
import subprocess
import sys

import pytest

from chatlib.__main__ import main
from chatlib.records import Message, Stream
from chatlib.store import open_store
from tests.collect.youtube.site.videos import make_video, text_action, videos_of_simulation
from tests.places import ROOT


@pytest.fixture
def chat_file(tmp_path):
    rows = [
        {
            "message_id": str(i),
            "message_type": "text_message",
            "time_in_seconds": i * 1.5,
            "author": {"id": f"UC{i % 7:022d}", "name": "n"},
            "message": "hi",
        }
        for i in range(200)
    ]
    path = tmp_path / "my chat!.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*args):
        try:
            code = main(["analyze", *map(str, args)])
        except SystemExit as stop:  # argparse
            code = stop.code
        return code, capsys.readouterr().err

    return call


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_call_of_chat_analyzer_works_with_one_word_changed(run, chat_file, tmp_path):
    code, _ = run(
        chat_file, "--mode", "chatfile", "--platform", "youtube", "-i", "10", "--print-interval", "0",
        "-ep", "90", "-em", "chatsPSec", "-d", "small", "-o", "out/result", "-b", "100",
    )  # fmt: skip
    found = read(tmp_path / "out" / "result.json")
    assert code == 0
    assert (found["interval"], found["description"], found["platform"]) == (10, "small", "www.youtube.com")
    assert (found["totalActivity"], found["duration"]) == (100, 298.5)
    assert (found["highlight_percentile"], found["highlight_metric"]) == (90.0, "chatsPSec")
    assert (found["mediaTitle"], found["mediaSource"]) == ("my chat!.json", str(chat_file))


def test_mode_and_platform_are_told_from_the_source(run, chat_file, tmp_path, caplog):
    caplog.set_level("INFO", logger="chatlib")
    assert run(chat_file, "-b", "1")[0] == 0
    assert caplog.messages == ["4:58: 1 message, 1 highlight, 0 spikes -> my_chatjson.json"]
    assert run(chat_file)[0] == 0
    found = read(tmp_path / "my_chatjson.json")
    assert found["platform"] == "www.youtube.com"
    assert run("my_chatjson.json", "-ep", "50", "-o", "again")[0] == 0
    again = read(tmp_path / "again.json")
    assert again["highlight_percentile"] == 50
    assert again["samples"] == found["samples"]


def test_nojson_leaves_the_name_alone(run, chat_file, tmp_path):
    assert run(chat_file, "-o", "plain.txt", "--nojson")[0] == 0
    assert read(tmp_path / "plain.txt")["totalActivity"] == 200


def test_a_database_is_analyzed_whole_or_one_stream_of_it(run, tmp_path):
    with open_store(tmp_path / "chat.db", create=True) as db:
        for video_id in ("one", "two"):
            db.save_chat(Stream("twitch", video_id), [Message("1", "text_message", 3.0, "a")])
        db.save_chat(Stream("twitch", "none"))
    assert run("chat.db", "-o", "all")[0] == 0
    with open_store(tmp_path / "chat.db") as db:
        db.save_chat(Stream("twitch", "no times"), [Message("1", "text_message")])
    assert run("chat.db", "-o", "all")[0] == 1
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["one.json", "two.json"]
    assert run("chat.db", "-o", "all", "--ignore-errors")[0] == 0
    assert run("chat.db", "-m", "db", "--stream", "two", "-o", "just-two")[0] == 0
    assert read(tmp_path / "just-two.json")["totalActivity"] == 1


def test_moments_are_exported_as_tables_as_chapters_and_as_a_kit(run, tmp_path):
    rows = [Message(str(i), "text_message", i * 3.0, f"u{i % 5}", text="quiet words") for i in range(201)]
    rows += [Message(f"x{i}", "text_message", 300 + i / 9, f"v{i}", text="GOAL") for i in range(80)]
    with open_store(tmp_path / "chat.db", create=True) as db:
        db.save_chat(Stream("twitch", "one", "https://www.twitch.tv/videos/1"), rows)
    options = ["--moments", "m.csv", "--chapters", "c.txt", "--clips", "clips.csv", "--top", "1"]
    assert run("chat.db", "--stream", "one", *options, "--clip-kit", "kit", "-o", "a")[0] == 0
    assert (tmp_path / "c.txt").read_text() == "0:00 Start\n4:40 goal\n5:38 And on\n"
    clips = (tmp_path / "clips.csv").read_text().splitlines()
    assert clips[1:] == ["1,0:04:25,0:05:48,265.0,348.0,goal,https://www.twitch.tv/videos/1?t=0h4m25s"]
    table = (tmp_path / "m.csv").read_text().splitlines()
    assert table[0].startswith("rank,from,to")
    assert table[1].startswith("1,0:04:40,0:05:38")
    assert table[1].endswith("https://www.twitch.tv/videos/1?t=0h4m40s")
    kit = sorted((tmp_path / "kit").iterdir())
    assert [path.suffix for path in kit] == [".txt", ".csv", ".sh", ".edl"]
    assert (tmp_path / "clips.csv").read_text() == kit[1].read_text()
    code, said = run("a.json", *options, "-o", "b")  # without the messages
    assert code == 2
    assert "chat file" in said
    assert run("chat.db", *options)[0] == 2


def test_moments_of_a_chat_file_are_told_in_its_words(run, chat_file, tmp_path):
    rows = json.loads(chat_file.read_text())
    rows += [{**rows[0], "message_id": f"x{i}", "time_in_seconds": 150 + i / 9, "message": "GOAL",
              "author": {"id": f"v{i}"}} for i in range(80)]  # fmt: skip
    chat_file.write_text(json.dumps(rows))
    options = ["--highlights-csv", "h.csv", "--chapters", "c.txt", "--top", "1", "-o", "a"]
    assert run(chat_file, *options)[0] == 0
    assert (tmp_path / "c.txt").read_text() == "0:00 Start\n2:14 goal\n3:12 And on\n"
    assert "GOAL" in (tmp_path / "h.csv").read_text()
    address = "https://www.twitch.tv/videos/77"
    (tmp_path / "streams.csv").write_text(f"video_id,url\n{chat_file.stem},{address}\n")
    assert run(chat_file, *options)[0] == 0
    assert f"{address}?t=0h2m14s" in (tmp_path / "h.csv").read_text()
    assert read(tmp_path / "a.json")["mediaSource"] == str(chat_file)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-i", "0"], "1 to 120"),
        (["-i", "121"], "1 to 120"),
        (["-i", "2.5"], "invalid int"),
        (["-ep", "0"], "below 100"),
        (["-ep", "100"], "below 100"),
        (["-ep", "nan"], "below 100"),
        (["-em", "messages"], "invalid choice"),
        (["-ss", "-1"], "above 0"),
        (["--top", "0", "--clips", "c.csv"], "1 or more"),
        (["--platform", "kick"], "invalid choice"),
        (["-m", "live"], "invalid choice"),
        (["-sc", "raw.json"], "--mode url"),
    ],
)
def test_an_option_outside_its_bounds_is_misuse(run, chat_file, options, says):
    code, said = run(chat_file, *options)
    assert code == 2
    assert says in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("no json at all", "this is text, of none"),
        ('{"some": "thing"}', "this is JSON, of none"),
        ("[]", "none with a time"),
        ('[{"message_type": "text_message", "message": "no time"}]', "none with a time"),
    ],
)
def test_a_file_that_cannot_be_analyzed_is_one_line_and_exit_code_1(run, tmp_path, content, says):
    (tmp_path / "bad.json").write_text(content)
    code, said = run("bad.json")
    assert code == 1
    assert says in said
    assert said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json"]


def test_a_wrong_source_or_output_is_said_with_what_to_do(run, chat_file, tmp_path):
    code, said = run(chat_file, "-m", "reanalyze")  # a raw chat
    assert code == 1 and "--mode chatfile" in said
    assert run("nothing.json")[0] == run(tmp_path, "-m", "chatfile")[0] == 1
    code, said = run(chat_file, "-o", chat_file / "below" / "a.json")
    assert code == 2 and "written" in said
    before = chat_file.read_bytes()
    for output in (["-o", "my chat!"], ["-o", "a", "--clips", tmp_path / "x" / ".." / chat_file.name]):
        code, said = run(chat_file, *output)
        assert code == 2 and "another file than the source" in said
    assert main(["convert", str(chat_file), chat_file.name]) == 2
    assert chat_file.read_bytes() == before


def test_the_command_is_described_without_loading_numpy():
    code = """
import sys
from chatlib.__main__ import main
try:
    main(["analyze", "-h"])
finally:
    print("numpy" in sys.modules or "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--highlight-percentile" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("mode", [[], ["-m", "chatfile"], ["-m", "reanalyze"], ["-m", "db"]])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(run, tmp_path, mode):
    os.mkfifo(tmp_path / "pipe")
    code, said = run("pipe", *mode)
    assert (code, said.count("\n")) == (1, 1)
    assert "pipe" in said


def test_a_hostile_file_name_reaches_no_terminal(tmp_path):
    name = "evil\x1b]0;owned\x07\u202egnp.json"
    (tmp_path / name).write_text(json.dumps([{"message_type": "text_message", "author": {}}]))
    for source in (name, "missing" + name):
        command = [sys.executable, "-m", "chatlib", "analyze", source]
        said = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True
        )
        assert (said.returncode, said.stderr.count(b"\n")) == (1, 1)
        assert not {"\x1b", "\x07", "\u202e"} & set(said.stderr.decode())


def test_a_database_is_only_read(run, tmp_path):
    folder = tmp_path / "medium"
    folder.mkdir()
    with open_store(folder / "chat.db", create=True) as db:
        db.save_chat(Stream("twitch", "one"), [Message("1", "text_message", 3.0, "a")])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "empty.db").touch()
    assert run(folder / "chat.db", "-o", "all")[0] == 0
    assert run(folder / "empty.db", "-m", "db", "-o", "none")[0] == 1
    assert run(folder / "typo.db", "-m", "db", "-o", "none")[0] == 1
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after == before | {"empty.db": b""}
    assert not (tmp_path / "none").exists()


def test_an_address_gives_what_its_chat_file_gives(youtube, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (video,) = videos_of_simulation(1, 400, seed=6)
    youtube.add_videos(video)
    url = f"https://www.youtube.com/watch?v={video.id}"
    assert (
        main(["analyze", url, "-o", "url", "-sc", "raw.json", "-i", "60", "--chapters", "chapters.txt"]) == 0
    )
    assert main(["analyze", "raw.json", "-o", "file", "-i", "60", "--platform", "youtube"]) == 0
    fetched = json.loads((tmp_path / "url.json").read_text())
    of_file = json.loads((tmp_path / "file.json").read_text())
    assert (fetched["mediaTitle"], fetched["mediaSource"]) == (video.title, url)
    assert fetched["duration"] == video.duration_s
    for key in ("totalActivity", "totalChatMessages", "totalUniqueUsers", "totalSuperchats"):
        assert fetched[key] == of_file[key]
    assert (tmp_path / "chapters.txt").read_text()


@pytest.mark.parametrize(
    ("status", "rule"), [("members_only", "cookies"), ("live", "is not over"), ("no_replay", "no chat")]
)
def test_a_stream_without_a_chat_is_one_sentence(youtube, tmp_path, monkeypatch, capsys, status, rule):
    monkeypatch.chdir(tmp_path)
    actions = [text_action(0, "hello", offset_ms=0)]
    youtube.add_videos(make_video("aaaaaaaaaaa", actions, status=status))
    assert main(["analyze", "https://youtu.be/aaaaaaaaaaa"]) == 1
    assert rule in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_address_elsewhere_says_what_there_is(capsys):
    assert main(["analyze", "https://example.org/videos/1087079172"]) == 2
    assert "https://www.twitch.tv/videos/" in capsys.readouterr().err
