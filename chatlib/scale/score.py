"""Forecasts over many channels: a forecaster taught by a sample of their history, and scores for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from chatlib.errors import MissingSource, NotEnoughData
from chatlib.files import atomic_path
from chatlib.predict import Question
from chatlib.predict.forecast import Forecaster, fit_forecaster, load_forecaster
from chatlib.predict.viewers.people import NEXT, People
from chatlib.scale.cluster import (
    Cluster,
    Report,
    Task,
    prepare_output,
    read_manifest,
    run_tasks,
    write_manifest,
)

__all__ = ["load_history", "read_questions", "score_bucket", "score_history", "teach_forecaster"]

_KEYS = ["platform", "video_id", "channel", "author_id", "started_at"]


class ScoreItem(NamedTuple):
    """A bucket's table, the folder of forecasters and which one scores it, and where scores go."""

    path: str
    forecasters: str
    question: str
    out: str


def score_history(cluster: Cluster, history: str | Path, forecasters: str | Path, out: str | Path) -> Report:
    """Score everybody in a history by each question for which there is a forecaster.

    `QUESTION/bucket-N.parquet` has platform, video_id (null is the stream to come), channel, author_id,
    started_at and the forecaster's p_pays (for the next stream p_comes and p_pays_if_comes too).
    Raises: MissingSource without a finished history; ModelError if there is no forecaster for it.
    """
    questions = read_questions(history)
    known = [name for name in questions if (Path(forecasters) / name).is_dir()]
    for name in known or questions[:1]:
        load_forecaster(forecasters, name)  # one that is missing or damaged is said here, once
    out = prepare_output(out, "score")
    tasks = []
    for name in known:
        for path in sorted((Path(history) / name).glob("bucket-?????.parquet")):
            found = path.stat()
            card = (Path(forecasters) / name / "forecaster.json").stat().st_mtime_ns
            made_of = f"{found.st_size} {found.st_mtime_ns} {card}"
            item = ScoreItem(str(path.absolute()), str(Path(forecasters).absolute()), name, str(out))
            tasks.append(Task(f"{name}/{path.stem}", f"{name}-{path.stem}", made_of, item))
    report = run_tasks(cluster, score_bucket, tasks, out, command="score")
    rows = sum(result["rows"] for result in report.results.values())
    write_manifest(out, "score", report, questions=known, rows=rows)
    return report


def score_bucket(item: ScoreItem) -> dict[str, Any]:
    """Write the scores of a bucket; return how many there are."""
    forecaster = load_forecaster(item.forecasters, item.question)
    table = pq.read_table(item.path).to_pandas()
    scores = table[_KEYS].copy()
    for name, trees in forecaster.trees.items():
        scores[f"p_{name}"] = expit(trees.score(table))
    with atomic_path(Path(item.out, item.question, Path(item.path).name)) as part:
        pq.write_table(pa.Table.from_pandas(scores, preserve_index=False), part, compression="zstd")
    return {"rows": len(scores)}


def teach_forecaster(
    history: str | Path, question: Question, *, max_rows: int = 2_000_000, seed: int = 0
) -> Forecaster:
    """Return a forecaster fitted on a history's people of all channels, or a random part of them.

    Raises: MissingSource without a finished history; NotEnoughData if nobody in it pays.
    """
    people = load_history(history, question, max_rows=max_rows, seed=seed)
    if not people.table["paid"].any():
        raise NotEnoughData(
            f"A forecaster learns from people who paid, and of {len(people.table):,} nobody did."
        )
    return fit_forecaster(people, seed=seed)


def load_history(
    history: str | Path, question: Question, *, max_rows: int = 2_000_000, seed: int = 0
) -> People:
    """Return who was asked a question in a history, at most about `max_rows` of them, at random."""
    if question.name not in read_questions(history):
        raise MissingSource(
            f"The history in {history} does not answer {question.name!r}. Build it with that question."
        )
    paths = sorted((Path(history) / question.name).glob("bucket-?????.parquet"))
    n_rows = sum(pq.read_metadata(path).num_rows for path in paths)
    rng = np.random.default_rng(seed)
    parts = []
    for path in paths:
        table = pq.read_table(path)
        kept = rng.random(len(table)) < max_rows / max(n_rows, 1)
        parts.append(table.filter(pa.array(kept)).to_pandas())
    table = pd.concat(parts, ignore_index=True)
    streams, _ = pd.factorize(table["platform"].fillna("") + "/" + table["video_id"].fillna(""))
    table["stream_id"] = np.where(table["video_id"].isna(), NEXT, streams)
    amounts = pd.DataFrame(columns=["channel", "author", "amount", "currency"])
    return People(question, table, amounts, pd.Series(dtype=int))


def read_questions(history: str | Path) -> list[str]:
    """Return the questions that a history was built with. Raises: MissingSource without a finished one."""
    manifest = read_manifest(Path(history))
    if manifest.get("format") == "chatlib scale history":
        return [str(name) for name in manifest["questions"]]
    raise MissingSource(
        f"There must be a finished history in {history}. Make one: `chatlib scale history DIR OUT`."
    )
