"""The command `forecast`, on a run and on a database alone."""

import json
import re
import shutil
import sqlite3

import pandas as pd
import pytest

from chatlib import workspace
from chatlib.__main__ import _open_ranker, main
from chatlib.collect.summary import CollectReport
from chatlib.predict import QUESTIONS
from chatlib.records import Stream
from chatlib.store import open_store
from tests.predict.channels import SMALL, day, make_channel, save, say


@pytest.fixture(scope="module")
def kept(channel_path, tmp_path_factory):
    """A run that keeps a forecaster for each question; one author has a hostile name."""
    folder = tmp_path_factory.mktemp("runs") / "kept"
    folder.mkdir()
    shutil.copy(channel_path, folder / "Db_file.dbs")
    with open_store(folder / "Db_file.dbs") as db:
        db.connection.execute("UPDATE authors SET name = ? WHERE author = 1", ["=1+1\x1b[31m\nred"])
        db.connection.commit()
    for name in QUESTIONS:
        assert main(["forecast", str(folder), "--question", name, "--landmark", "20"]) == 0
    return folder


@pytest.fixture
def run(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_keeps_what_was_learned(run, capsys, monkeypatch):
    monkeypatch.setattr("chatlib.predict.forecast.evaluate_rolling", None)  # nothing is measured again
    for name in QUESTIONS:
        assert main(["forecast", str(run), "--question", name, "--landmark", "20", "--top", "3"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(QUESTIONS[name].asks[:20]) and "what a message to them would change" in said
        assert "viewer-" not in said and all(line.isprintable() for line in said.splitlines())
        shares = [
            float(line.split("%")[0]) for line in said.split("Most likely to pay:\n")[1].splitlines()[:3]
        ]
        assert shares == sorted(shares, reverse=True) and len(shares) == 3


def test_a_stream_is_named_by_its_id(run, tmp_path, capsys):
    out = tmp_path / "x.csv"
    arguments = ["forecast", str(run), "--question", "retrospective", "--landmark", "20"]
    assert main([*arguments, "--stream", "stream-03", "--names", "--out", str(out)]) == 0
    assert "Stream stream-03: 40 people" in capsys.readouterr().out
    names = pd.read_csv(out)["who"]
    assert (
        names.str.startswith("'=1+1").sum() <= 1 and not names.str.startswith("=").any() and len(names) == 40
    )
    assert main([*arguments, "--stream", "stream-33"]) == 2
    assert "Did you mean stream-03?" in capsys.readouterr().err


def test_new_streams_are_learned_from_before_the_next_is_forecast(run, capsys):
    card = run / "models" / "forecaster" / "next_stream" / "forecaster.json"
    before = json.loads(card.read_text())
    with open_store(run / "Db_file.dbs") as db:
        db.save_chat(Stream("youtube", "new", started_at=day(20)), make_channel(seed=5)["stream-00"][1])
    assert main(["forecast", str(run)]) == 0
    after = json.loads(card.read_text())
    assert (before["n_streams"] + 1, after["until"][:10]) == (after["n_streams"], "2026-01-20")


def test_update_learns_a_runs_forecasts_anew(run, capsys, monkeypatch):
    chats = [make_channel(seed=5)["stream-00"][1]]

    def collect(db, channels, settings):
        for i, rows in enumerate(chats):
            db.save_chat(Stream("youtube", f"new-{i}", started_at=day(20 + i)), rows)
        return CollectReport([], {"messages": 1})

    monkeypatch.setattr("chatlib.collect.collection.collect_channels", collect)
    for name in ("arrival", "retrospective"):  # two are learned anew as four are
        shutil.rmtree(run / "models" / "forecaster" / name)
    cards = [run / "models" / "forecaster" / name / "forecaster.json" for name in ("next_stream", "forecast")]
    command = ["update", "https://www.youtube.com/@sample", "--run", str(run)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("\nForecasts learned anew: next_stream, forecast.\n")
    assert {json.loads(card.read_text())["until"][:10] for card in cards} == {"2026-01-20"}
    assert json.loads(cards[1].read_text())["question"]["landmark_min"] == 20.0
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("\nNo newer stream: the forecasts stay as they are.\n")
    chats *= 2  # one more
    monkeypatch.setattr("chatlib.predict.forecast.fit_trees", interrupt)
    assert main(command) == 130
    assert main([*command, "--db", "x.dbs"]) == 2
    monkeypatch.undo()
    assert main(["forecast", str(run)]) == 0  # goes on where it was interrupted
    assert json.loads(cards[0].read_text())["until"][:10] == "2026-01-21"


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_a_stream_that_still_runs_is_asked_about_at_arrival(run, capsys):
    with open_store(run / "Db_file.dbs") as db:
        rows = [say(5.0, "viewer-3", "love"), say(60.0, "nobody yet", "hi")]
        db.save_chat(Stream("youtube", "live", started_at=day(21), view="captured", state="partial"), rows)
    assert main(["forecast", str(run), "--question", "arrival"]) == 0
    assert "Stream live: 2 people" in capsys.readouterr().out


def test_a_forecaster_of_another_version_is_refused_with_the_command_that_makes_it_anew(run, capsys):
    card = run / "models" / "forecaster" / "arrival" / "forecaster.json"
    for change in ({"version": 0}, {"columns": ["who_paid"]}):
        card.write_text(json.dumps(json.loads(card.read_text()) | change))
        assert main(["forecast", str(run), "--question", "arrival"]) == 1
        said = capsys.readouterr().err
        assert "Make it anew: chatlib forecast RUN --question arrival --refit" in said and "another" in said
    assert main(["forecast", str(run), "--question", "arrival", "--refit"]) == 0
    assert main(["forecast", str(run), "--question", "arrival"]) == 0


def test_a_relative_run_works_from_any_folder(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workspace, "PROJECT_DIR", run.parent)
    (tmp_path / "elsewhere").mkdir()
    said = []
    for folder in (run.parent, tmp_path / "elsewhere"):
        monkeypatch.chdir(folder)
        assert main(["forecast", run.name]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_forecasting_only_reads_the_database(run, tmp_path, capsys):
    """A schema older than ours would be brought up to date in place by whoever may write."""
    path = tmp_path / "old.dbs"
    shutil.copy(run / "Db_file.dbs", path)
    with sqlite3.connect(path) as db:
        for table in ("clips", "heatmaps", "sightings", "visits"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 3")
    db.close()
    before = path.read_bytes()
    assert main(["forecast", str(path)]) == 0
    assert path.read_bytes() == before


def test_a_channel_too_young_to_evaluate_is_forecast_all_the_same(tmp_path, capsys):
    with open_store(tmp_path / "small.dbs", create=True) as db:
        save(db, SMALL)
    assert main(["forecast", str(tmp_path / "small.dbs")]) == 0
    said = capsys.readouterr().out
    assert "How good this is cannot be measured yet" in said
    assert "5 people were seen in the 60 days before" in said


@pytest.mark.parametrize(
    ("streams", "arguments", "code", "message"),
    [
        ({"d": SMALL["d"]}, [], 1, "none of 1 has both"),
        ({"d": SMALL["d"]}, ["--question", "arrival"], 1, "needs chat and a date"),
        ({"a": SMALL["a"]}, [], 1, "there is one alone"),
        ({"a": SMALL["a"], "b": SMALL["b"]}, [], 1, "seen before and then paid"),
        (SMALL, ["--days", "-1"], 2, "above 0, got -1"),
        (SMALL, ["--landmark", "0"], 2, "above 0, got 0"),
        (SMALL, ["--top", "0"], 2, "1 or more, got 0"),
        (SMALL, ["--question", "next_steam"], 2, "Did you mean next_stream?"),
        (SMALL, ["--stream", "a"], 2, "needs another --question"),
    ],
)
def test_what_cannot_be_forecast_is_one_sentence(tmp_path, capsys, streams, arguments, code, message):
    with open_store(tmp_path / "few.dbs", create=True) as db:
        save(db, streams)
    assert main(["forecast", str(tmp_path / "few.dbs"), *arguments]) == code
    said = capsys.readouterr()
    assert message in said.err and len(said.err.splitlines()) == 1 and said.out == ""


def test_no_run_of_that_name_is_one_clear_error(tmp_path, capsys):
    assert main(["forecast", str(tmp_path / "typo")]) == 2
    assert "A run is named by its name or its folder" in capsys.readouterr().err


def test_who_may_pay_in_a_running_stream_is_named_while_it_is_watched(run):
    with open_store(run / "Db_file.dbs") as db:
        authors = db.load_authors()["author_id"].tolist()[:12]
        running = Stream(
            "youtube", "running", started_at=day(28), view="captured", state="partial", simulated=True
        )
        for at, author in enumerate(authors):  # as they arrive
            db.save_chat(running, [say(60.0 * at, author, "hello")])
        (stream_id,) = db.find_streams("youtube", ["running"])["stream_id"]
    with open_store(run / "Db_file.dbs", read_only=True) as db:
        said = _open_ranker(str(run), names=False)(db, stream_id)
        assert len(said) == 3 and all(re.fullmatch(r"viewer \d+ \([\d.]+ %\)", who) for who in said)
        names = _open_ranker(str(run), names=True)(db, stream_id)
        known = db.load_authors()["name"]
    assert all(who.rpartition(" (")[0] in set(known) for who in names)


def test_without_a_forecaster_watching_says_how_to_make_one(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    arguments = ["watch", "https://www.twitch.tv/sample", "--db", str(tmp_path / "x.dbs")]
    assert main([*arguments, "--run", str(tmp_path / "run")]) == 1
    assert "chatlib forecast RUN --question arrival" in capsys.readouterr().err
    assert not (tmp_path / "x.dbs").exists()
