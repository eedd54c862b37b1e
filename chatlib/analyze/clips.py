"""Moments in the words of the chat, and the clip kit: what an editor needs to cut them.

The kit of a stream is four texts: a CSV of clips with in and out, markers for DaVinci Resolve (an EDL),
a shell script that downloads the clips, and chapters for YouTube. Chat text and titles are hostile:
the script holds ids and numbers alone, the EDL one line a marker, the CSV no formula.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.format import METRIC_FIELDS, format_time
from chatlib.analyze.analytics.readers import Talk
from chatlib.analyze.analytics.sections import Section
from chatlib.analyze.moments import Moment, link_to_moment
from chatlib.collect.address import find_video_id, guess_platform, make_video_url
from chatlib.errors import ParameterError
from chatlib.files import format_table, make_safe_name
from chatlib.text import normalize_text, one_line, read_emotes, split_part, split_words
from chatlib.times import format_clock

__all__ = [
    "MomentWords",
    "clips_as_table",
    "compare_words",
    "describe_moments",
    "find_typical_messages",
    "format_chapters",
    "format_download_script",
    "format_edl",
    "make_clip_kit",
    "moments_as_table",
    "sections_as_table",
]

_LEAST_CHAPTER_S, _LEAST_CHAPTERS = 10, 3  # YouTube's rules, as is the chapter at 0:00
_AFTER_MOMENT, _UNTITLED = "And on", "Highlight"
_CLIP_LEAD_S, _CLIP_TAIL_S, _LEAST_CLIP_S = 15.0, 10.0, 20.0
# What a title must not hold: links, names, commands, times, brackets (YouTube refuses them), controls, and
# requests for a clip.
_NOT_IN_TITLE = re.compile(
    r"https?://|www\.|@|^!|(?i:\bclip)|\d:\d\d|[<>\x00-\x1f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_PLAIN_WORD = re.compile(r"\W*(?!\w*[a-z][A-Z])[^\W\d_]")  # an inner capital is an emote's
_PHRASE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]{4}")  # of a script without spaces
_TELLING = re.compile(r"[^\W\d_]{2}|[^\x00-\x7f]")  # no single letter or number
_LONGEST_TITLE = 50
_LEAST_PEOPLE = 2  # who wrote a title
_LEAST_WORDS_ALONE = 3  # of a title that one person wrote
_LEAST_Z, _MOST_Z = 2.0, 4.0  # below, a word is not clearly the moment's own
_N_WORDS = 5
_MAX_MESSAGE = 80
_METRIC_WORDS = {
    METRIC_FIELDS["usersPSec"]: "people a second",
    METRIC_FIELDS["chatsPSec"]: "chat messages a second",
    METRIC_FIELDS["activityPSec"]: "messages and events a second",
}


class MomentWords(NamedTuple):
    """What people wrote in a moment: its characteristic words and typical messages, and how much.

    `title` is a readable message that several people wrote, or that shares words with others; else the words
    that say something; else empty.
    """

    n_messages: int = 0
    n_people: int = 0
    words: Sequence[str] = ()
    messages: Sequence[str] = ()
    title: str = ""


def describe_moments(talk: Talk, moments: Sequence[Moment]) -> list[MomentWords]:
    """Return what was written in each moment, as compared with the whole stream."""
    whole = talk.parts.count_words(split_part) if moments else Counter()
    offset_s = talk.spoken["offset_s"].to_numpy(float)
    written = []
    for moment in moments:
        inside = talk.spoken[(offset_s >= moment.start_s) & (offset_s < moment.end_s)]
        inside = inside[inside["text"] != ""]
        texts, authors = inside["text"].tolist(), inside["author"].tolist()
        words = compare_words(texts, whole)
        typical = [
            one_line(text, _MAX_MESSAGE) for text in find_typical_messages(texts, authors, words=words)
        ]
        own = [word for word, z in words.items() if z >= _LEAST_Z and not word.startswith("clip")][:_N_WORDS]
        title = _pick_title(texts, authors, inside["emotes"].tolist(), words)
        title = title or ", ".join(filter(_TELLING.search, own[:3]))
        written.append(MomentWords(len(texts), inside["author"].nunique(), own, typical, title))
    return written


def moments_as_table(moments: Sequence[Moment], written: Sequence[MomentWords]) -> pd.DataFrame:
    """Return moments as a table, with what was written in each (`describe_moments`)."""
    rows = []
    for moment, words in zip(moments, written, strict=True):
        times = (format_clock(moment.start_s), format_clock(moment.end_s), moment.start_s, moment.end_s)
        spoken = (words.n_messages, words.n_people, ", ".join(words.words), list(words.messages))
        rows.append((moment.rank, *times, moment.score, *spoken, moment.link))
    said = ["messages", "people", "words", "typical"]
    return pd.DataFrame(rows, columns=["rank", "from", "to", "start_s", "end_s", "score", *said, "link"])


def sections_as_table(sections: Sequence[Section]) -> pd.DataFrame:
    """Return highlights or spikes as a table: from, to, seconds, peak, mean, and the description in words."""
    rows = []
    for s in sections:
        description = s.description.partition(", rank")[0].replace("its local baseline", "the minutes before")
        for field, words in (*_METRIC_WORDS.items(), ("[", "("), ("]", ")")):
            description = description.replace(field, words)
        times = format_clock(s.startTime), format_clock(s.endTime)
        rows.append((*times, s.duration, s.peak, s.avg, description))
    return pd.DataFrame(rows, columns=["from", "to", "seconds", "peak", "mean", "description"])


def format_chapters(moments: Sequence[Moment], written: Sequence[MomentWords], *, duration_s: float) -> str:
    """Return a chapter list as YouTube accepts it in a description; empty if there can't be one.

    YouTube wants a chapter at 0:00, at least three in all, each 10 seconds long or longer: a moment
    too close to its neighbour or to the end is left out, and if moments are too few, the time after
    one is a chapter, too.
    """
    starts = [(int(moment.start_s), words.title) for moment, words in zip(moments, written, strict=True)]
    chapters = _space_chapters(starts, duration_s)
    if len(chapters) < _LEAST_CHAPTERS:
        ends = [(int(moment.end_s), _AFTER_MOMENT) for moment in moments]
        chapters = _space_chapters(starts + ends, duration_s)
    if len(chapters) < _LEAST_CHAPTERS:
        return ""
    return "".join(f"{format_time(start_s)} {one_line(title) or _UNTITLED}\n" for start_s, title in chapters)


def clips_as_table(
    moments: Sequence[Moment], written: Sequence[MomentWords], *, duration_s: float
) -> pd.DataFrame:
    """Return moments as clips to cut, best first: 15 s of lead, 10 s of tail, 20 s or longer.

    Columns: rank, in, out, in_s, out_s, title, link.
    """
    rows = []
    for moment, words in zip(moments, written, strict=True):
        in_s = max(moment.start_s - _CLIP_LEAD_S, 0.0)
        out_s = min(max(moment.end_s + _CLIP_TAIL_S, in_s + _LEAST_CLIP_S), duration_s)
        times = (format_clock(in_s), format_clock(out_s), in_s, out_s)
        rows.append((moment.rank, *times, words.title, moment.link and link_to_moment(moment.link, in_s)))
    return pd.DataFrame(rows, columns=["rank", "in", "out", "in_s", "out_s", "title", "link"])


def format_edl(clips: pd.DataFrame, *, title: str = "", frame_rate: float = 30.0) -> str:
    """Return clips (`clips_as_table`) as markers that DaVinci Resolve reads; empty without any.

    CMX3600 with Resolve's comments: colour, name, length in frames. The time code is non-drop at
    `frame_rate` and begins at 01:00:00:00, as a timeline in Resolve does. (Right-click the timeline,
    "Timelines", "Import", "Timeline markers from EDL".)
    Raises: ParameterError for a frame rate outside 1 to 240.
    """
    if not 1 <= frame_rate <= 240:
        raise ParameterError(f"A frame rate must be from 1 to 240 frames a second, got {frame_rate}.")
    lines = []
    for number, clip in enumerate(clips.sort_values("in_s", kind="stable").to_dict("records"), 1):
        first, end = (round(seconds * frame_rate) for seconds in (clip["in_s"], clip["out_s"]))
        at, after = (_format_timecode(frame, frame_rate) for frame in (first, first + 1))
        name = one_line(clip["title"]).replace("|", "/") or _UNTITLED
        lines += [
            f"{number:03}  001      V     C        {at} {after} {at} {after}",
            f" |C:ResolveColorBlue |M:{clip['rank']}. {name} |D:{max(end - first, 1)}",
            "",
        ]
    head = [f"TITLE: {one_line(title, 70)}", "FCM: NON-DROP FRAME", ""]
    return "\n".join([*head, *lines]) if lines else ""


def format_download_script(clips: pd.DataFrame, *, address: str | None) -> str:
    """Return a shell script in which yt-dlp downloads each clip; empty without clips or recording.

    `address` is a recording's on YouTube or Twitch. Only its id and numbers come into the script.
    """
    video_id = find_video_id(address)
    url = make_video_url(guess_platform(url=address, video_id=video_id) or "", video_id or "")
    if video_id is None or url is None or not re.fullmatch(r"[A-Za-z0-9_-]+", video_id) or clips.empty:
        return ""
    lines = [
        "#!/bin/sh",
        "# Downloads the clips into this folder. Needs yt-dlp and ffmpeg.",
        "set -eu",
        *(
            f"yt-dlp --download-sections '*{clip['in_s']:.0f}-{clip['out_s']:.0f}' --force-keyframes-at-cuts "
            f"-o '{video_id}_{clip['rank']:02}.%(ext)s' -- '{url}'"
            for clip in clips.to_dict("records")
        ),
    ]
    return "\n".join(lines) + "\n"


def make_clip_kit(
    moments: Sequence[Moment],
    written: Sequence[MomentWords],
    *,
    name: str,
    address: str | None,
    duration_s: float,
    frame_rate: float = 30.0,
) -> dict[str, str]:
    """Return the kit of a stream, file name -> text: clips.csv, markers.edl, download.sh, chapters.txt.

    Each file name begins with `name`, made safe. What has no content is left out: the script without
    the address of a recording, the chapters where there are too few moments.
    """
    clips = clips_as_table(moments, written, duration_s=duration_s)
    base = make_safe_name(name)
    texts = {
        f"{base}.clips.csv": format_table(clips) if len(clips) else "",
        f"{base}.markers.edl": format_edl(clips, title=name, frame_rate=frame_rate),
        f"{base}.download.sh": format_download_script(clips, address=address),
        f"{base}.chapters.txt": format_chapters(moments, written, duration_s=duration_s),
    }
    return {file_name: text for file_name, text in texts.items() if text}


def _format_timecode(frame: int, frame_rate: float) -> str:
    base = round(frame_rate)
    seconds, rest = divmod(frame, base)
    hours, minutes = seconds // 3600 + 1, seconds // 60 % 60  # a timeline begins at 1 h
    return f"{hours % 24:02}:{minutes:02}:{seconds % 60:02}:{rest:02}"


def compare_words(inside: Iterable[str], whole: Mapping[str, int]) -> dict[str, float]:
    """Return the words of some texts, those that are overrepresented in them most first.

    `whole` says in how many texts each word is, those inside among them. The values are standard scores (z)
    of the log-odds ratio against the rest, with the whole as prior. Source: Monroe, Colaresi, Quinn, Fightin'
    Words, Political Analysis 2008.
    """
    within = Counter(chain.from_iterable(set(split_words(text)) for text in inside))
    words = sorted(within)
    a = np.array([within[word] for word in words], dtype=float)
    prior = np.array([max(whole.get(word, 0), within[word]) for word in words], dtype=float)
    b = prior - a
    n_prior = max(sum(whole.values()), 1)
    n_a, n_b = a.sum(), max(n_prior - a.sum(), 0)
    scale = 500 / n_prior  # the prior weighs as much as 500 words
    alpha, alpha_0 = prior * scale, 500.0
    with np.errstate(divide="ignore", invalid="ignore"):  # one word alone has nothing to be compared with
        ratio = np.log((a + alpha) / (n_a + alpha_0 - a - alpha)) - np.log(
            (b + alpha) / (n_b + alpha_0 - b - alpha)
        )
    z = np.where(np.isnan(ratio), 0, ratio) / np.sqrt(1 / (a + alpha) + 1 / (b + alpha))
    return dict(sorted(zip(words, z.tolist(), strict=True), key=lambda item: -item[1]))


def find_typical_messages(
    texts: Sequence[str], authors: Sequence[object], *, words: Mapping[str, float], top: int = 3
) -> list[str]:
    """Return the messages most typical of a moment.

    The weight of a message grows with the number of people who wrote the same, and with how
    characteristic its words are (`compare_words`). The first of equal ones is returned.
    """
    first: dict[str, str] = {}
    people: dict[str, set[object]] = {}
    for text, author in zip(texts, authors, strict=True):
        key = normalize_text(text)
        first.setdefault(key, text)
        people.setdefault(key, set()).add(author)
    weights = {
        key: math.log2(1 + len(people[key])) * (0.1 + _mean_score(text, words)) for key, text in first.items()
    }
    ranked = sorted(first, key=lambda key: (-weights[key], key))
    return [first[key] for key in ranked[:top]]


def _mean_score(text: str, words: Mapping[str, float]) -> float:
    tokens = split_words(text)
    return sum([max(words.get(token, 0.0), 0.0) for token in tokens]) / len(tokens) if tokens else 0.0


def _pick_title(
    texts: Sequence[str], authors: Sequence[object], emotes: Sequence[object], words: Mapping[str, float]
) -> str | None:
    """Return a readable message with words that are characteristic of the moment; None without any.

    The most typical of those that several people wrote. Where nobody repeated one, the message of three or
    more that shares most of these words with others: each counts by the logarithm of the people who wrote it,
    times its standard score, at most 4; their sum is divided by the root of the message's length.
    """
    own = {word: z for word, z in words.items() if z >= _LEAST_Z}
    people: dict[str, set[object]] = {word: set() for word in own}
    wrote: defaultdict[str, set[object]] = defaultdict(set)
    readable = []
    for text, author, names in zip(texts, authors, emotes, strict=True):
        found = sorted(people.keys() & split_words(text))
        for word in found:
            people[word].add(author)
        if found and _is_readable(text, names):
            wrote[normalize_text(text)].add(author)
            readable.append((text, author, found))
    repeated = [said for said in readable if len(wrote[normalize_text(said[0])]) >= _LEAST_PEOPLE]
    if repeated:
        texts, authors, _ = zip(*repeated, strict=True)
        return one_line(find_typical_messages(texts, authors, words=words, top=1)[0], _MAX_MESSAGE)
    weights = {
        word: min(z, _MOST_Z) * math.log2(len(people[word]) or 1)
        for word, z in own.items()
        if _TELLING.search(word)
    }
    shared: dict[str, float] = {}
    for text, _, found in readable:
        n = len(text.split())
        if n >= _LEAST_WORDS_ALONE and (sum_ := sum(weights.get(word, 0.0) for word in found)):
            shared[text] = sum_ / (2 + n) ** 0.5
    return one_line(max(shared, key=shared.__getitem__), _MAX_MESSAGE) if shared else None


def _is_readable(text: str, emotes: object) -> bool:
    """Return whether a message makes a title: short, of several words, nothing that YouTube would parse."""
    if len(text) > _LONGEST_TITLE or _NOT_IN_TITLE.search(text):
        return False
    names = set(read_emotes(emotes, None))
    tokens = text.split()
    words = {word.casefold() for word in tokens if word not in names and _PLAIN_WORD.match(word)}
    return (len(words) >= 2 and 3 * len(words) >= 2 * len(tokens)) or bool(_PHRASE.search(text))


def _space_chapters(starts: Iterable[tuple[int, str]], duration_s: float) -> list[tuple[int, str]]:
    chapters = [(0, "Start")]
    for start_s, title in sorted(starts):
        if min(start_s - chapters[-1][0], duration_s - start_s) >= _LEAST_CHAPTER_S:
            chapters.append((start_s, title))
    return chapters
