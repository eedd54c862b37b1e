"""The simulated sample channel: chat whose writers' true probability of paying is known.

Every viewer has latent traits. They shape what is written (intentions and choice of words),
when, and whether the viewer pays: a logistic model of the traits and the stream. The true
probability is kept beside the chat, in `truth.csv.gz`, never in it. What viewers write depends
on their traits alone and not on the outcome, so no reader of the chat can be expected to rank
viewers better than the true probability does: `SimulationReport.best_auc`.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import gzip
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from chatlib.errors import ParameterError
from chatlib.files import atomic_folder
from chatlib.options import check_settings
from chatlib.simulate import ChannelSettings
from chatlib.simulate.crowd import TRAITS, Crowd
from chatlib.simulate.rows import (
    BOT,
    CHANNEL_NAME,
    OWNER,
    Guest,
    Scene,
    draw_bundles,
    iter_rows,
    make_person,
    make_scene,
    pays_later,
)
from chatlib.simulate.stream import draw_timeline, draw_writing
from chatlib.simulate.talk import EVENT_KINDS, TOPIC_NAMES, topic_title

__all__ = ["SimulationReport", "simulate_channel"]

_FIRST_FRIDAY = dt.datetime(2026, 1, 9, 19, tzinfo=dt.UTC)
_LANDMARK_MIN = 30
_FORECAST = f"forecast_{_LANDMARK_MIN}"
_TRUTH_COLUMNS = ("video_id", "author_id", "role", "probability", "arrival", _FORECAST,
                  "paid", "messages", "japanese", *TRAITS)  # fmt: skip
_NEXT_COLUMNS = ("video_id", "author_id", "comes", "probability")
_EVENT_COLUMNS = ("video_id", "offset_s", "kind", "topic", "strength", "half_life_s")
_N_BINS = 20_000
_STREAM_COLUMNS = (
    "platform", "video_id", "url", "title", "started_at", "duration_s", "channel_id", "channel_name",
    "simulated", "messages",
)  # fmt: skip
_MARK = "Simulated chat, made by `python -m chatlib simulate`"
_DEFAULTS = ChannelSettings()


@dataclass
class SimulationReport:
    """What was written. A viewer is one author in one stream; rows are lines of the chat files."""

    out_dir: Path
    n_streams: int = 0
    n_rows: int = 0
    n_viewers: int = 0
    n_authors: int = 0
    n_donors: int = 0
    best_auc: float = float("nan")
    count_auc: float = float("nan")
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def donor_share(self) -> float:
        """The share of viewers who paid in that stream."""
        return self.n_donors / self.n_viewers if self.n_viewers else float("nan")


def simulate_channel(out_dir: str | Path, settings: ChannelSettings = _DEFAULTS) -> SimulationReport:
    """Write a channel of simulated chat into a folder and return what it holds.

    The folder gets `streams.csv` and `chat/VIDEO_ID.jsonl.gz`; with `settings.n_new` the last streams
    lie apart, as what was published after a first collection: `first/` and `new/`, each with its
    `streams.csv` and `chat/`. Beside them `truth.csv.gz`, `truth_next.csv.gz`,
    `truth_events.csv` and `README.md`. The same settings give the same bytes. Memory is bounded by one
    stream, not by their number.

    Raises: ParameterError for numbers that make no channel, or a folder that is not empty; as atomic_folder.
    """
    out = Path(out_dir)
    _check_settings(settings)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ParameterError(f"The output must be a new or empty folder, and {out} is neither. Name another.")
    with atomic_folder(out) as folder:
        report = _write_channel(folder, settings)
    return replace(report, out_dir=out)


def _check_settings(settings: ChannelSettings) -> None:
    check_settings(settings, n_streams=1, n_viewers=10, n_new=0, seed=0)
    if (n := settings.n_messages) < settings.n_viewers:
        raise ParameterError(f"Messages must be at least one per viewer, got {n} for {settings.n_viewers}.")
    if (n := settings.n_new) >= settings.n_streams:
        raise ParameterError(f"New streams must be fewer than all {settings.n_streams}, got {n}.")


def _write_channel(out: Path, settings: ChannelSettings) -> SimulationReport:
    n_streams, n_new, seed = settings.n_streams, settings.n_new, settings.seed
    report = SimulationReport(out, n_streams=n_streams)
    by_probability, by_count = bins = np.zeros((2, 2, _N_BINS), np.int64)  # viewers by outcome and score
    crowd = Crowd(seed, n_viewers=settings.n_viewers)
    with ExitStack() as stack:
        truth = _open_table(stack, out / "truth.csv.gz", _TRUTH_COLUMNS)
        expected = _open_table(stack, out / "truth_next.csv.gz", _NEXT_COLUMNS)
        events = _open_table(stack, out / "truth_events.csv", _EVENT_COLUMNS)
        folders = [out / "first", out / "new"] if n_new else [out]
        tables = []
        for folder in folders:
            (folder / "chat").mkdir(parents=True, exist_ok=True)
            tables.append(_open_table(stack, folder / "streams.csv", _STREAM_COLUMNS))
        for index in tqdm(range(n_streams), unit="stream", disable=None):
            late = n_new > 0 and index >= n_streams - n_new
            scene, n_rows, guests = _write_chat(index, folders[late], crowd, settings, report.kinds)
            tables[late].writerow(_stream_row(index, scene, n_rows, seed))
            rows = _truth_rows(scene, guests, seed)
            truth.writerows([scene.video_id, *(row.get(c, "") for c in _TRUTH_COLUMNS[1:])] for row in rows)
            for serial, japanese, comes, pays in zip(*map(np.ndarray.tolist, crowd.expect()), strict=True):
                person = make_person(seed, serial, japanese=japanese)
                expected.writerow((scene.video_id, person.author_id, f"{comes:.5f}", f"{pays:.6f}"))
            for e in scene.timeline.events:
                what = EVENT_KINDS[e.kind], TOPIC_NAMES[e.topic]
                events.writerow((scene.video_id, e.offset_s, *what, e.strength, e.half_life_s))
            for row in rows:
                if row["messages"]:  # else there is nothing to rank the viewer by
                    by_probability[row["paid"], int(float(row["probability"]) * (_N_BINS - 1))] += 1
                    by_count[row["paid"], min(row["messages"], _N_BINS - 1)] += 1
            report.n_rows += n_rows
            report.n_viewers += len(rows)
            report.n_donors += sum(row["paid"] for row in rows)
    report.n_authors = crowd.n_authors + 2
    report.best_auc, report.count_auc = map(_binned_auc, bins)
    (out / "README.md").write_text(_readme(report, settings), encoding="utf-8")
    return report


def _write_chat(
    index: int, folder: Path, crowd: Crowd, settings: ChannelSettings, kinds: Counter[str]
) -> tuple[Scene, int, list[Guest]]:
    seed = settings.seed
    rng = np.random.default_rng([seed, index, 3])
    swing = float(np.exp(0.12 * rng.standard_normal() - 0.0072))
    day, started = _schedule(index)
    audience = crowd.gather(index, day, n_viewers=max(5, round(settings.n_viewers * swing)))
    timeline = draw_timeline(rng)
    writing = draw_writing(rng, timeline, audience, n_messages=round(settings.n_messages * swing))
    video_id = _video_id(seed, index)
    scene = make_scene(
        seed, index, video_id=video_id, started_us=int(started.timestamp()) * 10**6 + 123_457,
        audience=audience, timeline=timeline, writing=writing,
    )  # fmt: skip
    bundles, guests = draw_bundles(scene, seed=seed, crowd=crowd, day=day)
    before = kinds.total()
    rows = iter_rows(scene, bundles, kinds)
    with _open_text(folder / "chat" / f"{video_id}.jsonl.gz") as file:
        while block := "".join(islice(rows, 1000)):
            file.write(block)
    return scene, kinds.total() - before, guests


def _schedule(index: int) -> tuple[int, dt.datetime]:
    """Return the day since the first stream, and the start: every Friday, every fifth Sunday too."""
    week, extra = index - index // 6, index % 6 == 5
    day = (week - 1) * 7 + 2 if extra else week * 7
    start = _FIRST_FRIDAY + dt.timedelta(days=day, minutes=(index * 7) % 11)
    return day, start - dt.timedelta(hours=5) if extra else start


def _video_id(seed: int, index: int) -> str:
    digest = hashlib.blake2b(f"{seed}/{index}/video".encode(), digest_size=3).digest()
    return "sim" + base64.urlsafe_b64encode(digest + index.to_bytes(3, "big")).decode()


def _stream_row(index: int, scene: Scene, n_rows: int, seed: int) -> tuple[object, ...]:
    started = dt.datetime.fromtimestamp(scene.started_us // 10**6, dt.UTC)
    title, owner = topic_title(int(scene.timeline.topics[0]), index), make_person(seed, OWNER)
    return (
        "youtube", scene.video_id, f"https://www.youtube.com/watch?v={scene.video_id}", title,
        started.strftime("%Y-%m-%dT%H:%M:%SZ"), int(scene.timeline.duration_s), owner.author_id, CHANNEL_NAME,
        1, n_rows,
    )  # fmt: skip


def _open_table(stack: ExitStack, path: Path, columns: Sequence[str]) -> Any:  # what csv.writer returns
    plain = path.suffix != ".gz"
    opened = path.open("w", encoding="utf-8", newline="") if plain else _open_text(path)
    table = csv.writer(stack.enter_context(opened), lineterminator="\n")
    table.writerow(columns)
    return table


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a gzip file for writing text, with no date and no name in it."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=5) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield text


def _readme(report: SimulationReport, settings: ChannelSettings) -> str:
    command = (
        f"python -m chatlib simulate --streams {settings.n_streams} --viewers {settings.n_viewers} "
        f"--messages {settings.n_messages} --seed {settings.seed}"
        + (f" --new {settings.n_new}" if settings.n_new else "")
    )
    kinds = "\n".join(f"| `{kind}` | {n:,} |" for kind, n in report.kinds.most_common())
    layout = "`first/` and `new/` (published later), each with" if settings.n_new else "Here lie"
    template = Path(__file__).with_name("readme.txt").read_text(encoding="utf-8")
    return template.format(
        name=CHANNEL_NAME, mark=_MARK, command=command, layout=layout, report=report, kinds=kinds,
        landmark=_LANDMARK_MIN,
    )  # fmt: skip


def _truth_rows(scene: Scene, guests: list[Guest], seed: int) -> list[dict[str, Any]]:
    """Return one row per author in the stream's chat, as in `_TRUTH_COLUMNS`; what is blank is left out.

    Owner, bot and guests have no traits; a guest's probability is whether they paid, since
    nothing else brings them into the chat.
    """
    audience = scene.audience
    _, first, counts = np.unique(scene.writing.sender, return_index=True, return_counts=True)
    first_s, landmark_s = scene.writing.offset_ms[first] / 1000, _LANDMARK_MIN * 60.0
    forecast = pays_later(scene, np.full(len(first_s), landmark_s))
    columns: dict[str, Iterable[Any]] = {
        "author_id": (person.author_id for person in scene.people),
        "role": np.where(audience.moderator, "moderator", "viewer"),
        "probability": map("{:.8f}".format, audience.probability),
        "arrival": map("{:.6f}".format, pays_later(scene, first_s)),
        _FORECAST: (f"{p:.6f}" if s <= landmark_s else "" for p, s in zip(forecast, first_s, strict=True)),
        "paid": audience.pays.astype(int),
        "messages": counts,
        "japanese": audience.japanese.astype(int),
        **{trait: map("{:.4f}".format, audience.traits[:, i]) for i, trait in enumerate(TRAITS)},
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    never = {"probability": 0, "arrival": 0, _FORECAST: 0}
    others = [
        (make_person(seed, OWNER), {"role": "owner", "paid": 0} | never),
        (make_person(seed, BOT), {"role": "bot", "paid": 0} | never),
        *(
            (person, {"role": "guest", "paid": int(paid), "probability": int(paid)})
            for person, paid in guests
        ),
    ]
    rows += [{"author_id": p.author_id, "messages": 0, "japanese": 0} | known for p, known in others]
    return rows


def _binned_auc(bins: np.ndarray) -> float:
    """Return the ROC-AUC of a score from its histograms by outcome; NaN without both outcomes."""
    n_out, n_paid = bins.sum(axis=1)
    if n_out == 0 or n_paid == 0:
        return float("nan")
    below = np.cumsum(bins[0]) - bins[0] / 2  # ties count half
    return float((bins[1] * below).sum() / (n_out * n_paid))
