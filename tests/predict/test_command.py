import shutil
import sqlite3

import pandas as pd
import pytest

from chatlib import workspace
from chatlib.__main__ import main
from chatlib.predict.evaluation import Calibrator
from chatlib.predict.protocol import split_streams
from chatlib.predict.questions import Question
from chatlib.predict.scorer import Scorer, digest_encoder, save_scorer
from chatlib.predict.viewers.table import load_viewers
from chatlib.pretrain import TrainSettings
from chatlib.pretrain.encoder import load_encoder
from chatlib.pretrain.language_model import new_language_model, save_language_model
from chatlib.store import open_store
from tests.predict.channels import fit_small_blends


@pytest.fixture(scope="module")
def run_dir(channel_path, tmp_path_factory):
    """A run with a database, a small language model and a blend; the first author has a hostile name."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(channel_path, folder / "Db_file.dbs")
    with open_store(folder / "Db_file.dbs") as db:
        viewers, split = load_viewers(db), split_streams(db)
        last = int(split.test[-1])
        author = int(viewers.table["author"].to_numpy()[viewers.find_rows([last])][0])
        db.connection.execute("UPDATE authors SET name = ? WHERE author = ?", ["=1+1\x1b[31m\nred", author])
        db.connection.commit()
    lm = new_language_model(viewers.texts, TrainSettings(vocabulary=300, layers=1, width=32))
    save_language_model(lm, folder / "models" / "chat_lm", manifest={"streams": []})
    encoder = load_encoder(folder / "models" / "chat_lm")
    blends, _ = fit_small_blends(viewers, split, encoder)
    scorer = Scorer(
        blend=list(blends.values())[1],
        question=Question("retrospective"),
        calibrator=Calibrator(1.0, 0.0),
        threshold=0.1,
        prevalence=0.05,
        encoder_digest=digest_encoder(folder / "models" / "chat_lm"),
    )
    save_scorer(scorer, folder / "models" / "donor")
    return folder


def test_a_stream_is_ranked_and_names_do_no_harm(run_dir, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    assert main(["score", str(run_dir), "stream-11", "--top", "40", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("40 viewers, ")
    assert len(said) == 41 and all(line.isprintable() for line in said)
    shares = [float(line.split("%")[0]) for line in said[1:]]
    assert shares == sorted(shares, reverse=True)
    table = pd.read_csv(out)
    assert list(table) == ["name", "probability", "named", "n_messages"] and len(table) == 40
    assert table["name"].str.startswith("'=1+1").sum() == 1 and not table["name"].str.startswith("=").any()


def test_a_relative_run_works_from_any_folder(run_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(run_dir.parent)
    assert main(["score", run_dir.name, "stream-11"]) == 0
    near = capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workspace, "PROJECT_DIR", run_dir.parent)
    assert main(["score", run_dir.name, "stream-11"]) == 0
    assert capsys.readouterr().out == near


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream-11", "--top", "-1"], "--top a number of viewers"),
        (["no-such-video"], "'no-such-video' is not"),
        (["stream-11", "--language-model", "other"], "has none. Run notebook 03"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_error(run_dir, arguments, message, capsys):
    assert main(["score", str(run_dir), *arguments]) in (1, 2)
    said = capsys.readouterr()
    assert message in said.err and said.out == ""


def test_a_folder_without_a_model_is_one_clear_error(tmp_path, capsys):
    assert main(["score", str(tmp_path / "typo"), "x"]) == 2
    assert "A run is named by its name or its folder" in capsys.readouterr().err
    assert main(["score", str(tmp_path), "x"]) == 2
    assert "in which notebook 04 left its model" in capsys.readouterr().err


def test_scoring_only_reads_the_database(run_dir, tmp_path, capsys):
    """A schema older than ours would be brought up to date in place by whoever may write."""
    path = tmp_path / "old.dbs"
    shutil.copy(run_dir / "Db_file.dbs", path)
    with sqlite3.connect(path) as db:
        for table in ("clips", "heatmaps", "sightings"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 3")
    db.close()
    before = path.read_bytes()
    assert main(["score", str(run_dir), "stream-11", "--db", str(path)]) == 0
    assert main(["score", str(run_dir), "stream-11", "--db", str(tmp_path / "typo.dbs")]) == 1
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["old.dbs"]
