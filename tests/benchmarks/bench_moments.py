"""How many of the places that viewers clipped are found by the moments named, on real chat.

    python tests/benchmarks/bench_moments.py [--draws 1000]

There are no clips in the chat, so two kinds of message stand in for them: links to clips that are new,
and requests ("clip that"). A place is never judged by a message of its own kind: `blind` hides every
message that names a clip, `other kind` only those of the place's kind. Intervals are 95 %, by bootstrap
over streams; `halves` are the first and the second half of the streams.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.readers import Talk, read_file, select_talk
from chatlib.analyze.moments import ReactionWords, find_clipped, find_moments, learn_reactions
from chatlib.analyze.recall import PER_HOUR, count_named, find_busiest, score_named

REAL = Path(__file__).parents[3] / "shared" / "data" / "twitch" / "channel_2023" / "chat"
APART_S = 90  # places of one kind that are closer are one


def hide(talk: Talk, kind: str) -> Talk:
    """Return a talk without the messages that name a clip: links, requests, or both."""
    text = talk.spoken["text"].str.lower()
    links, names = text.str.contains(r"clips\.|/clip/"), text.str.contains("clip")
    hidden = {"link": links, "request": names & ~links, "both": names}[kind]
    return replace(talk, spoken=talk.spoken[~hidden].reset_index(drop=True))


def judge_stream(talk: Talk, words: ReactionWords) -> Iterator[tuple]:
    """Yield kind, number an hour, rule, and what `score_named` returns, of a stream's places."""
    duration_s = float(talk.spoken["offset_s"].max())
    places = pd.DataFrame(find_clipped(talk), columns=["kind", "start_s", "end_s"])
    top = count_named(max(PER_HOUR), duration_s)
    for kind, own in places.groupby("kind"):
        rules = {"busiest 30 s": find_busiest(talk.spoken["offset_s"], duration_s, top=top)}
        for name, hidden in (("moments, blind", "both"), ("moments, other kind", str(kind))):
            moments = find_moments(hide(talk, hidden), duration_s=duration_s, top=top, words=words)
            rules[name] = [(moment.start_s, moment.end_s) for moment in moments]
        apart = own[own["start_s"].diff().fillna(APART_S) >= APART_S]
        for n_hour in PER_HOUR:
            for rule, spans in rules.items():
                named = spans[: count_named(n_hour, duration_s)]
                yield kind, n_hour, rule, *score_named(apart, named, duration_s=duration_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    talks = [select_talk(read_file(path, with_messages=True).messages) for path in sorted(REAL.glob("*.gz"))]
    if not talks:
        print(f"skipped: no real chat at {REAL}")
        return
    words = learn_reactions(hide(talk, "both") for first in range(4) for talk in talks[first::4])
    once = {(len(t.spoken), t.spoken["text"].iloc[-1]): t for t in talks}  # some streams are there twice
    rows = [(i, *row) for i, talk in enumerate(once.values()) for row in judge_stream(talk, words)]
    columns = ["stream", "kind", "per_hour", "rule", "places", "found", "chance", "named_s", "length_s"]
    rng = np.random.default_rng(0)
    for (kind, n_hour, rule), own in pd.DataFrame(rows, columns=columns).groupby(
        ["kind", "per_hour", "rule"]
    ):
        counts = own[["found", "places"]].to_numpy()
        drawn = counts[rng.integers(0, len(counts), (draws, len(counts)))].sum(axis=1)
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
        halves = [
            part["found"].sum() / part["places"].sum()
            for _, part in own.groupby(own["stream"] >= len(once) / 2)
        ]
        total = own[columns[4:]].sum()
        print(
            f"{kind:8} {n_hour:2} an hour  {rule:20} {total['places']:.0f} places: "
            f"{total['found'] / total['places']:.0%} ({low:.0%} to {high:.0%}), halves "
            f"{' '.join(f'{share:.0%}' for share in halves)}; chance "
            f"{total['chance'] / total['places']:.0%}, named {total['named_s'] / total['length_s']:.1%}"
        )


if __name__ == "__main__":
    main()
