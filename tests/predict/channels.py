"""A channel that can be checked by eye, and one large enough to learn from."""

from __future__ import annotations

import json
import zlib

import numpy as np

from chatlib.predict.models.transformer import DonorInputs
from chatlib.records import Message, Stream

WORD = 3  # the text that decides who pays, in `make_inputs`


class FixedEncoder:
    """Counts of hashed letters: a language model with fixed answers."""

    dim = 16

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked.extend(texts)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for i, text in enumerate(texts):
            for word in text.split():
                vectors[i, zlib.crc32(word.encode()) % self.dim] += 1.0
        return vectors


def say(offset_s, author, text, *, kind="text_message", badges=None, **more):
    """A message whose id is its offset and author, so that the same line is the same message."""
    return Message(
        message_id=more.pop("message_id", f"{offset_s}-{author}"),
        kind=kind,
        offset_s=offset_s,
        author_id=author,
        author_name=author,
        text=text,
        badges=None if badges is None else json.dumps(badges),
        **more,
    )


def day(number):
    """The start of a stream on a day of January 2026."""
    return f"2026-01-{number:02d}T20:00:00+00:00"


# Three streams of three days. ann pays in the first and in the last; bob writes only; cyd pays in
# the second and writes nothing else; dan cheers in the third; the owner is nobody's viewer.
SMALL = {
    "a": (day(1), [
        say(-5, "ann", "early"),
        say(10, "bob", "hi"),
        say(20, "owner", "welcome", badges=["Owner"]),
        say(50, "ann", "take this", kind="paid_message", amount_text="$5.00", amount="5.00"),
        say(50, "ann", "$5.00", kind="ticker_paid_message_item", amount_text="$5.00"),
        say(60, "ann", "bye", badges=["Member (2 months)"]),
        say(100, "bob", "bye"),
    ]),
    "b": (day(8), [
        say(10, "bob", "hi", badges=["Moderator"]),
        say(20, "cyd", None, kind="paid_sticker", amount_text="$2.00", amount="2.00"),
        say(100, "bob", "hi"),
    ]),
    "c": (day(22), [
        say(10, "ann", "hello again"),
        say(20, "bob", "hi"),
        say(30, "dan", "cheer100 take it", bits=100),
        say(40, "dan", "nice"),
        say(80, "ann", None, kind="subscription_gift", notice="ann gifted a sub!"),
        say(90, "eve", "eve joined", kind="membership_item", notice="Welcome!"),
        say(100, "bob", "hi"),
    ]),
    "d": (None, [say(10, "bob", "when was this?")]),
}  # fmt: skip


def save(db, streams):
    """Store {video id: (start, messages)}."""
    for video_id, (start, messages) in streams.items():
        db.save_chat(Stream("youtube", video_id, started_at=start, simulated=True), messages)


def make_channel(seed=0, *, n_streams=12, n_viewers=40):
    """Streams of viewers of whom those who say "love" often pay; {video id: (start, messages)}."""
    rng = np.random.default_rng(seed)
    words = ["hello", "gg", "nice", "lol", "what", "why"]
    streams = {}
    for s in range(n_streams):
        rows = []
        for v in range(n_viewers):
            author = f"viewer-{(v + 7 * s) % (3 * n_viewers)}"
            keen = rng.random() < 0.3
            for _ in range(rng.integers(1, 8)):
                text = "love" if keen and rng.random() < 0.6 else rng.choice(words)
                rows.append(say(float(rng.integers(0, 3600)), author, str(text)))
            if rng.random() < (0.5 if keen else 0.03):
                rows.append(say(float(rng.integers(1, 3600)), author, "take my money", kind="paid_message"))
        rows = {row.message_id + row.kind: row for row in rows}
        streams[f"stream-{s:02d}"] = (day(s + 1), sorted(rows.values(), key=lambda m: m.offset_s))
    return streams


def make_inputs(n=300, *, one_in=5, seed=0):
    """Viewers of 1 to 6 messages, of whom some say the word once, and pay; with their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % one_in == 0
    lengths = rng.integers(1, 7, n)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    codes = rng.integers(0, WORD, starts[-1])
    codes[starts[:-1][labels] + rng.integers(0, lengths[labels])] = WORD
    times = rng.uniform(0, 3600, (starts[-1], 2)).astype(np.float32)
    return DonorInputs(np.eye(4, dtype=np.float32), starts, codes, times), labels
