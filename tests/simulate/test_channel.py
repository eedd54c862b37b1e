"""The simulated channel: deterministic, honest about itself, and worth reading."""

import csv
import datetime as dt
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from chatlib.errors import ParameterError
from chatlib.records import YOUTUBE_PAID_KINDS, is_member
from chatlib.simulate import ChannelSettings
from chatlib.simulate.channel import SimulationReport, simulate_channel
from chatlib.simulate.crowd import TRAITS
from chatlib.workspace import SAMPLE_DIR

SMALL = {"n_streams": 3, "n_viewers": 40, "n_messages": 160}
ROW_KEYS = {
    "action_type", "author", "emotes", "header_primary_text", "header_secondary_text", "icon", "message",
    "message_id", "message_type", "money", "sticker_images", "target_message_id", "ticker_duration",
    "time_in_seconds", "time_text", "timestamp",
}  # fmt: skip


def simulate(out: Path, **settings: int) -> SimulationReport:
    return simulate_channel(out, ChannelSettings(**settings))


def read_files(folder: Path) -> dict[str, bytes]:
    """Return every file below the folder, gzip taken off: zlib's bytes may differ by version."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            files[str(path.relative_to(folder))] = gzip.decompress(data) if path.suffix == ".gz" else data
    return files


def read_truth(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "truth.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_streams(folder: Path) -> list[dict[str, str]]:
    paths = sorted(folder.rglob("streams.csv"))
    lines = [path.read_text(encoding="utf-8").splitlines() for path in paths]
    rows = [row for each in lines for row in csv.DictReader(each)]
    return sorted(rows, key=lambda row: row["started_at"])


def read_chats(folder: Path) -> dict[str, list[dict]]:
    chats = {}
    for path in folder.rglob("chat/*.jsonl.gz"):
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
        chats[path.name.removesuffix(".jsonl.gz")] = [json.loads(line) for line in lines if line]
    return chats


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> SimulationReport:
    """The sample, made anew after global state was disturbed."""
    random.seed(1)
    np.random.seed(1)
    return simulate(tmp_path_factory.mktemp("fresh"), seed=0, n_new=4)


@pytest.fixture(scope="module")
def chats() -> dict[str, list[dict]]:
    return read_chats(SAMPLE_DIR)


@pytest.fixture(scope="module")
def truth() -> list[dict[str, str]]:
    return read_truth(SAMPLE_DIR)


@pytest.fixture(scope="module")
def streams() -> list[dict[str, str]]:
    return read_streams(SAMPLE_DIR)


def test_the_committed_sample_is_what_the_generator_makes(fresh):
    assert read_files(fresh.out_dir) == read_files(SAMPLE_DIR)


def test_two_runs_give_the_same_bytes_whatever_the_hash_seed(tmp_path):
    simulate(tmp_path / "a", seed=3, **SMALL)
    code = (
        "from chatlib.simulate.channel import ChannelSettings, simulate_channel;"
        f"simulate_channel({str(tmp_path / 'b')!r}, ChannelSettings(3, 40, 160, 3))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "77"})
    simulate(tmp_path / "c", seed=4, **SMALL)
    assert not read_chats(tmp_path / "a").keys() & read_chats(tmp_path / "c").keys()
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_sample_is_small_and_has_first_and_new_streams(streams):
    assert sum(path.stat().st_size for path in SAMPLE_DIR.rglob("*")) < 3_000_000
    first, new = read_streams(SAMPLE_DIR / "first"), read_streams(SAMPLE_DIR / "new")
    assert (len(first), len(new)) == (20, 4)
    assert max(row["started_at"] for row in first) < min(row["started_at"] for row in new)
    for row in streams:
        assert row["simulated"] == "1" and row["platform"] == "youtube"
        assert re.fullmatch(r"sim[\w-]{8}", row["video_id"]) and row["url"].endswith(row["video_id"])


def test_rows_are_in_order_complete_and_some_before_the_start(chats, streams):
    for stream in streams:
        rows = chats[stream["video_id"]]
        offsets = [row["time_in_seconds"] for row in rows]
        start_us = dt.datetime.fromisoformat(stream["started_at"]).timestamp() * 1e6
        assert len(rows) == int(stream["messages"])
        assert all(a <= b for a, b in pairwise(offsets))
        assert min(offsets) < 0 and max(offsets) < float(stream["duration_s"]) + 30
        assert all(abs(row["timestamp"] - start_us - row["time_in_seconds"] * 1e6) < 1e6 for row in rows)


def test_all_kinds_of_rows_are_there(chats):
    kinds = Counter(row["message_type"] for rows in chats.values() for row in rows)
    assert set(kinds) == {
        "text_message", "paid_message", "paid_sticker", "ticker_paid_message_item",
        "ticker_paid_sticker_item",
        "sponsorships_gift_purchase_announcement", "sponsorships_gift_redemption_announcement",
        "membership_item", "ticker_sponsor_item", "mark_chat_item_as_deleted_action", "placeholder_item",
        "viewer_engagement_message",
    }  # fmt: skip
    paid = [row for rows in chats.values() for row in rows if row["message_type"] == "paid_message"]
    assert 0.02 < sum(row["message"] is None for row in paid) / len(paid) < 0.3


def test_ids_are_unique_and_only_tickers_repeat_one(chats):
    seen: set[str] = set()
    for rows in chats.values():
        ids = {row["message_id"]: row for row in rows if not row["message_type"].startswith("ticker_")}
        tickers = [row for row in rows if row["message_type"].startswith("ticker_")]
        assert len(ids) + len(tickers) == len(rows) and not seen & ids.keys()
        seen |= ids.keys()
        for ticker in tickers:
            paid = ids[ticker["message_id"]]
            assert (ticker["author"], ticker.get("money")) == (paid["author"], paid.get("money"))
        deleted = [row["target_message_id"] for row in rows if "target_message_id" in row]
        assert deleted and all(target in ids for target in deleted)


def test_badges_and_emotes(chats):
    authors = [row["author"] for rows in chats.values() for row in rows if "author" in row]
    titles = Counter(badge["title"] for author in authors for badge in author.get("badges", ()))
    assert {"Owner", "Moderator", "New member", "Member (6 months)", "Member (1 year)"} <= titles.keys()
    for rows in chats.values():
        for row in rows:
            badges = json.dumps([badge["title"] for badge in row.get("author", {}).get("badges", ())])
            if row["message_type"] == "text_message" and ":_pell" in row["message"]:
                assert is_member(badges)
                assert {emote["name"] for emote in row["emotes"]} == set(
                    re.findall(r":_pell\w+:", row["message"])
                )


def test_nothing_of_the_truth_is_in_the_chat(chats, truth):
    rows = [row for each in chats.values() for row in each]
    assert set().union(*rows) <= ROW_KEYS
    assert {key for row in rows for key in row.get("author", ())} <= {"id", "name", "badges"}
    text = json.dumps(rows, ensure_ascii=False)
    assert not any(f'"{name}"' in text for name in (*TRAITS, "probability", "paid", "role"))


def test_truth_has_one_row_per_author_and_says_who_paid(chats, truth):
    told = {(row["video_id"], row["author_id"]): row for row in truth}
    assert len(told) == len(truth)
    authors, payers, counts = set(), set(), Counter()
    for video_id, rows in chats.items():
        for row in rows:
            if "author" in row:
                key = (video_id, row["author"]["id"])
                authors.add(key)
                if row["message_type"] in YOUTUBE_PAID_KINDS:
                    payers.add(key)
                counts[key] += row["message_type"] == "text_message"
    assert authors == told.keys()
    assert payers == {key for key, row in told.items() if row["paid"] == "1"}
    staff = {key for key, row in told.items() if row["role"] in ("owner", "bot")}
    assert all(counts[key] == int(row["messages"]) for key, row in told.items() if key not in staff)


def test_three_to_six_percent_of_a_streams_viewers_pay(truth):
    paid = defaultdict(list)
    for row in truth:
        paid[row["video_id"]].append(int(row["paid"]))
    assert len(paid) == 24
    assert all(0.03 <= np.mean(each) <= 0.06 for each in paid.values())


def ask(chats, truth, column):
    """Return the true probabilities of who is asked about, whether they pay later, and what else is known."""
    rows = {(row["video_id"], row["author_id"]): row for row in truth if row[column] and int(row["messages"])}
    first, payments = {}, defaultdict(list)
    for video_id, chat in chats.items():
        for row in chat:
            key = (video_id, row.get("author", {}).get("id"))
            if row["message_type"] == "text_message":
                first.setdefault(key, row["time_in_seconds"])
            if row["message_type"] in YOUTUBE_PAID_KINDS:
                payments[key].append(row["time_in_seconds"])
    moments = {"probability": dict.fromkeys(rows, -np.inf), "arrival": first}
    moment = moments.get(column) or dict.fromkeys(rows, 1800.0)
    asked = [key for key in rows if all(at > moment[key] for at in payments[key])]
    p = np.array([float(rows[key][column]) for key in asked])
    others = [(float(rows[key]["probability"]), first[key], int(rows[key]["messages"])) for key in asked]
    return p, np.array([bool(payments[key]) for key in asked]), np.array(others).T


@pytest.mark.parametrize("column", ["probability", "arrival", "forecast_30"])
def test_probabilities_are_calibrated_and_no_score_is_better(chats, truth, column):
    p, paid, others = ask(chats, truth, column)
    for low, high in ((0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 1)):
        part = (p > low) & (p <= high)
        error = np.sqrt((p[part] * (1 - p[part])).sum())
        assert abs(paid[part].sum() - p[part].sum()) < 3 * error
    best = roc_auc_score(paid, p)
    known = np.column_stack([np.log(p + 1e-6), np.log(others[0]), others[1], np.log(others[2])])
    known = (known - known.mean(axis=0)) / known.std(axis=0)
    fitted = LogisticRegression(C=100.0).fit(known, paid).decision_function(known)  # on its own answers
    assert max(roc_auc_score(paid, score) for score in (*others, -others[1])) <= best
    assert abs(roc_auc_score(paid, fitted) - best) < 0.005


def test_the_report_tells_the_best_possible_auc_and_that_of_counting(fresh, truth):
    rows = [row for row in truth if int(row["messages"])]
    paid = [int(row["paid"]) for row in rows]
    best = roc_auc_score(paid, [float(row["probability"]) for row in rows])
    counting = roc_auc_score(paid, [int(row["messages"]) for row in rows])
    assert fresh.best_auc == pytest.approx(best, abs=1e-3)
    assert fresh.count_auc == pytest.approx(counting, abs=1e-9)
    assert 0.85 <= best <= 0.9 and 0.57 <= counting <= 0.65
    assert (fresh.n_viewers, fresh.n_donors) == (len(truth), sum(int(row["paid"]) for row in truth))
    assert fresh.n_authors == len({row["author_id"] for row in truth})
    assert f"{best:.3f}" in (SAMPLE_DIR / "README.md").read_text(encoding="utf-8")


def test_chat_bursts_after_the_hidden_events(chats, streams):
    durations = {row["video_id"]: float(row["duration_s"]) for row in streams}
    after, all_rate = [], []
    with (SAMPLE_DIR / "truth_events.csv").open(encoding="utf-8") as file:
        events = list(csv.DictReader(file))
    for event in events:
        offsets = np.array([row["time_in_seconds"] for row in chats[event["video_id"]]])
        at = float(event["offset_s"])
        after.append(((offsets > at) & (offsets <= at + 30)).sum() / 30)
        all_rate.append(len(offsets) / durations[event["video_id"]])
    assert len(events) > 24 * 5 and np.mean(after) > 3 * np.mean(all_rate)


def test_regulars_come_back(chats, streams):
    authors = [{row["author"]["id"] for row in chats[s["video_id"]] if "author" in row} for s in streams]
    seen = set().union(*authors[:-1])
    assert 0.4 < len(authors[-1] & seen) / len(authors[-1]) < 0.8


def test_real_chats_oddities_are_there(chats):
    texts = [
        row["message"] for rows in chats.values() for row in rows if row["message_type"] == "text_message"
    ]
    assert all(any(odd in text for text in texts) for odd in ("<script>", "$x$", "\u202e", "A" * 100, "\n"))
    assert max(Counter(text for text in texts if len(text) > 40).values()) > 20  # copypasta
    assert sum(text.startswith("!") for text in texts) > 50
    assert 0.05 < np.mean([bool(re.search("[\u3040-\u9fff]", text)) for text in texts]) < 0.2
    assert len({word for text in texts for word in text.lower().split()}) > 2000
    assert len(set(texts)) / len(texts) > 0.6


def test_memory_does_not_grow_with_the_number_of_streams(tmp_path):
    def peak(n_streams: int) -> int:
        tracemalloc.start()
        simulate(tmp_path / str(n_streams), n_streams=n_streams, n_viewers=60, n_messages=600)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is read once stays
    assert peak(12) < 1.3 * peak(3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n_streams": 0}, "streams must be at least 1, got 0"),
        ({"n_viewers": 3}, "viewers must be at least 10, got 3"),
        ({"n_messages": 20}, "at least one per viewer, got 20 for 40"),
        ({"n_new": 3}, "fewer than all 3, got 3"),
        ({"seed": -5}, "seed must be at least 0, got -5"),
    ],
)
def test_wrong_sizes_are_refused(tmp_path, wrong, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        simulate(tmp_path / "out", **{**SMALL, **wrong})
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ParameterError, match="new or empty folder"):
        simulate(tmp_path, **SMALL)
    with pytest.raises(ParameterError, match="new or empty folder"):
        simulate(tmp_path / "precious.txt", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ParameterError, match="can be written"):
        simulate(tmp_path / "file" / "below", **SMALL)
