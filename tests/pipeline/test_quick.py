"""`report --only analyze`: from a file to its pages, without a notebook."""

import json

import pytest

from chatlib.__main__ import main
from chatlib.errors import NotEnoughData, ParameterError
from chatlib.pipeline import explorer
from chatlib.pipeline.command import _classify_source, _name_run
from chatlib.pipeline.explorer import load_facts, load_timeline_data, write_explorer
from chatlib.pipeline.quick import explore_chats
from chatlib.pipeline.settings import RunSettings
from chatlib.records import Message, Stream
from chatlib.store import open_store
from tests.pipeline.reading import Page, as_shown, find_broken_links, look_up


def write_chat(path, *, timed=True):
    rows = [
        {
            "message_id": f"m{number}",
            "message_type": "text_message",
            "message": f"hello {number % 5}",
            "author": {"id": f"UC{number % 9:022d}", "name": f"ann{number % 9}"},
            **({"time_in_seconds": number * 20.0} if timed else {}),
        }
        for number in range(100)
    ]
    for number in range(60 if timed else 0):  # everybody at once
        author = {"id": f"UCb{number:021d}", "name": f"bob{number}"}
        row = {**rows[0], "message_id": f"b{number}", "message": "LOL what", "author": author}
        rows.append({**row, "time_in_seconds": 1000 + number / 10})
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_a_file_becomes_a_front_page_and_an_explorer(tmp_path):
    chats = write_chat(tmp_path / "my chat.json")
    page = explore_chats(RunSettings("mine", chats=chats, runs_dir=tmp_path / "runs"))
    run = tmp_path / "runs" / "mine"
    assert page == run / "index.html"
    index, pages = Page(page.read_text()), Page((run / "explorer.html").read_text())
    assert find_broken_links(run, pages) == []
    assert find_broken_links(run, index) == []
    facts = [(source, text) for source, text in index.parts if source.startswith("results/explorer.json")]
    assert len(facts) == 6  # of one stream nobody comes back
    for source, text in facts:
        assert text == as_shown(source, look_up(run, source))
    assert "ann1" not in (run / "explorer" / "c1.js").read_text()
    assert "chatlib run" not in page.read_text()  # notebooks 03 and 04 need three streams
    before = (run / "explorer" / "s1.js").read_bytes()
    explore_chats(RunSettings("mine", chats=chats, runs_dir=tmp_path / "runs"))  # changes nothing
    assert (run / "explorer" / "s1.js").read_bytes() == before


def test_a_second_file_of_the_same_name_is_told_beside_the_first(tmp_path):
    (tmp_path / "other").mkdir()
    first, second = write_chat(tmp_path / "a chat.json"), write_chat(tmp_path / "other" / "b chat.json")
    for chats in (first, second):
        explore_chats(RunSettings("mine", chats=chats, runs_dir=tmp_path / "runs"))
    titles = [row["title"] for row in load_facts(tmp_path / "runs" / "mine")["streams"]]
    assert sorted(titles) == ["a chat", "b chat"]
    explore_chats(RunSettings("lost", chats=first, runs_dir=tmp_path / "runs"))
    first.unlink()
    with pytest.raises(ParameterError, match="which is gone"):
        explore_chats(RunSettings("lost", chats=second, runs_dir=tmp_path / "runs"))


ODD = [
    {"money": {"text": "€5", "amount": 5.0, "currency": "EUR"}, "message_type": "paid_message"},
    {"message_id": "m1", "message": "the same id as another"},
    {"message": None, "message_type": "raid"},
    {"emotes": [{"name": "LUL"}], "message": ""},
    {"message": "@ann1 \u202e<script>\ud800\x00"},
    {"author": {"id": "UCx", "name": "x", "display_name": "X"}, "message": "x subscribed"},
    {"time_in_seconds": None},
    {"time_in_seconds": -3, "author": None},
    {"message_id": None},
    {"author": {"id": "UCy", "name": "Nightbot"}},
    {"author": {"id": "UCy"}},
]


@pytest.mark.parametrize("odd", [[], ODD[:4], ODD])
def test_a_file_is_told_from_memory_as_from_a_database(tmp_path, odd):
    plain = {"time_text": "0:00", "timestamp": 1_700_000_000_000_000, "action_type": "add_chat_item"}
    rows = [row | plain for row in json.loads(write_chat(tmp_path / "chat.json").read_text())]
    rows += [{**rows[number], "message_id": f"o{number}"} | row for number, row in enumerate(odd)] + rows[:2]
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(rows))
    told = {}
    for name in ("memory", "database"):
        run = tmp_path / name / "mine"
        if name == "database":
            with open_store(run / "Db_file.dbs", create=True):
                pass
        explore_chats(RunSettings("mine", chats=path, runs_dir=tmp_path / name))
        assert (run / "Db_file.dbs").exists() == (name == "database")
        files = [*run.glob("*.html"), run / "results" / "explorer.json", *(run / "explorer").iterdir()]
        told[name] = {file.name: file.read_bytes() for file in files}
    assert told["memory"] == told["database"]


def test_the_front_page_plays_the_stream_of_the_best_moment(tmp_path, monkeypatch):
    chats = tmp_path / "chats"
    chats.mkdir()
    calm = json.loads(write_chat(chats / "lively.json").read_text())[:100]
    long = [{**row, "message_id": f"{part}-{row['message_id']}"} for row in calm for part in range(3)]
    (chats / "long.json").write_text(json.dumps(long), encoding="utf-8")
    explore_chats(RunSettings("mine", chats=chats, runs_dir=tmp_path / "runs"))
    facts = load_facts(tmp_path / "runs" / "mine")
    titles = {row["stream"]: row["title"] for row in facts["streams"]}
    assert sorted(titles.values()) == ["lively", "long"] and titles[facts["shown"]] == "lively"
    assert facts["cards"][0]["go"].startswith(f"{facts['shown']}@")
    assert json.loads(load_timeline_data(tmp_path / "runs" / "mine", "shown"))["title"] == "lively"
    told = {path.name: path.read_bytes() for path in (tmp_path / "runs" / "mine" / "explorer").iterdir()}
    monkeypatch.setattr(explorer, "_MANY_MESSAGES", 1)
    monkeypatch.setattr(explorer, "_PART", 1)
    explore_chats(RunSettings("mine", chats=chats, runs_dir=tmp_path / "runs"))  # in several processes
    assert load_facts(tmp_path / "runs" / "mine") == facts and len(told) == 5
    for path in (tmp_path / "runs" / "mine" / "explorer").iterdir():
        assert path.read_bytes() == told[path.name]


@pytest.mark.parametrize(
    ("paid", "value", "says"),
    [
        ({"amount": "5", "currency": "USD"}, "5 USD", "in Super Chats and stickers by 1 person."),
        ({"amount": "500", "currency": "JPY"}, "3 USD",
         "in Super Chats and stickers by 1 person; 1 of no known day, converted at the newest rate."),
        ({"amount": "9", "currency": "TWD"}, "1 payment",
         "in Super Chats and stickers by 1 person; 1 in currencies without a rate."),
        ({"kind": "resubscription"}, "0 USD", "in Super Chats and stickers by 0 people; 1 subscription."),
    ],
)  # fmt: skip
def test_what_was_paid_is_said_whatever_the_day_and_the_currency(tmp_path, paid, value, says):
    rows = [Message("a", "text_message", 1.0, "x", "ann", "hi")]
    rows.append(Message("p", paid.pop("kind", "paid_message"), 9.0, "b", "bob", "take it", **paid))
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        db.save_chat(Stream("youtube", "undated"), rows)
        facts, _ = write_explorer(tmp_path, chat=db)
    assert {"what": "Money", "value": value, "says": says} in facts["cards"]


def test_chats_without_times_are_one_error(tmp_path):
    chats = write_chat(tmp_path / "chat.json", timed=False)
    with pytest.raises(NotEnoughData, match=r"have a time|have times"):
        explore_chats(RunSettings("mine", chats=chats, runs_dir=tmp_path / "runs"))
    with pytest.raises(ParameterError, match="nothing at"):
        explore_chats(RunSettings("mine", chats=tmp_path / "none", runs_dir=tmp_path / "runs"))


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("https://www.youtube.com/@Some.Name", "channels", "Some.Name"),
        ("@name", "channels", "name"),
        ("twitch.tv/somebody", "channels", "somebody"),
        ("https://www.twitch.tv/videos/1234567", "channels", "1234567"),
        ("https://www.youtube.com/watch?v=abcdefghijk", "channels", "abcdefghijk"),
        ("chat file.json.gz", "chats", "chat_file"),
        ("a=b & c.json", "chats", "a_b_c"),
        ("list.ods", "channels", "list"),
        ("...", "chats", "chats"),
    ],
)
def test_a_source_says_what_it_is_and_names_its_run(source, kind, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if source.endswith((".gz", ".json", ".ods")):
        (tmp_path / source).touch()
    if source == "...":
        for wrong in (source, ""):
            assert main(["report", wrong]) == 2 and "neither" in capsys.readouterr().err
    else:
        assert _classify_source(source) == kind
    assert _name_run(source) == name
