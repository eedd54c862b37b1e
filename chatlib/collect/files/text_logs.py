"""Chat as lines of text: chat-downloader's and TwitchDownloader's, IRC clients' logs, plain ones.

A line has a time, mostly a name, and what was written. Times are offsets in the stream (`0:12`), moments
(`2021-07-15 20:00:05`), or times of day, whose day a heading, the file's name or a midnight gives.
The forms are those that the programs write: chat-downloader 0.2.8 and its first versions,
TwitchDownloaderCore's ChatText, Chatterino's LoggingChannel, Chatty's ChatLog, irssi's default theme.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import deque
from email.utils import parsedate_tz
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from chatlib.collect.files.chat_downloader import find_event
from chatlib.collect.files.parsing import Chat, IdMaker, Notes, author_key, name_json, read_count
from chatlib.collect.files.twitch import count_bits
from chatlib.files import LINE_MB
from chatlib.money import read_money
from chatlib.records import CHAT_KINDS, TWITCH, Message, Stream
from chatlib.text import clean_text
from chatlib.times import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, read_offset, read_timestamp_text, split_zone

__all__ = ["find_chats", "looks_like_chat", "recognize_lines"]

GAP_S = 6 * 3600  # a log with dates in which nobody writes for so long goes on with another stream
_SAMPLE = 300  # lines in which a format shows itself
_DAY_US = 24 * 3600 * 1_000_000
_LONGEST_NOTICE = 2000  # characters of a sentence of Twitch's with the author's words
_REMEMBERED = 100  # messages of an author, of which a deletion may name one
_SOME_DAY_US = 40 * 365 * _DAY_US  # in 2009, where no day is known

_CLOCK = r"-?\d{1,4}:\d\d(?::\d\d)?(?:\.\d{1,9})?"
_TIME_OF_DAY = r"\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
_MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?"
_FILE_DAY = re.compile(r"(?<!\d)(\d{4})[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)")
_FILE_CHANNEL = re.compile(r"#?([A-Za-z0-9]\w{1,24})(?:[-.]\d[\d-]*)?\.(?:log|txt)(?:\.gz)?", re.A)

# chat-downloader's, today's and the first; TwitchDownloader's; plain ones.
_DOWNLOADED = re.compile(rf"(?P<stamp>{_CLOCK}|{_MOMENT}|\d\d:\d\d [AP]M) \| (?P<rest>.*)")
_BRACKETED = re.compile(rf"\[(?P<stamp>{_CLOCK})\] +(?P<rest>.*)")
_BRACKETED_LONG = re.compile(r"\[(?P<stamp>(?:0|[1-9]\d{0,2}):\d\d:\d\d)\] (?P<rest>[^\s:(*]{1,100}: .*)")
_BRACKETED_UTC = re.compile(rf"\[(?P<stamp>{_MOMENT}) UTC\] (?P<rest>.*)")
_BADGES = re.compile(r"\(((?:[^()]|\([^()]{0,99}\)){1,500})\) ")
_AMOUNT = re.compile(r"\*([^*]{0,30}\d[^*]{0,30})\* ")
_PLAIN = re.compile(
    rf"[(\[]?(?P<stamp>{_MOMENT}|\d?\d:\d\d(?::\d\d)? [AP]M|{_CLOCK})[)\]]?(?:\s*[|–—-]\s+|\s+)"
    r"(?P<name>[^\s:](?:.{0,98}?[^\s:])??)(?: : ?|: |:$)(?P<text>.*)"
)

_STAMP = rf"(?P<stamp>\[{_MOMENT}\]|\[{_TIME_OF_DAY}\]|{_TIME_OF_DAY}) "
_SAID = re.compile(rf"{_STAMP}<[\s~&@%+!$^*]*(?P<name>[^<>]{{1,100}})>\*? ?(?P<text>.*)")
_ACTION = re.compile(rf"{_STAMP} ?\* (?P<name>\S{{1,100}}) (?P<text>.*)")
_STAMPED = re.compile(rf"{_STAMP}(?P<rest>.*)")
_IRSSI_EVENT = re.compile(rf"{_STAMP}(?:-!-|-[^\s-]+-|![\w.]+) .*")
_CHATTERINO_SAID = re.compile(r" ?(?:(?P<shown>[^\s:]{1,100}) )?(?P<name>\w{1,100}): (?P<text>.*)")
_CHATTY_EVENT = re.compile(r"\[[A-Z][A-Za-z ]{0,40}\] (?P<text>.*)")
_IRSSI_SERVER = re.compile(r"[!-]tmi\.twitch\.tv-? ")
_OF_PROGRAM = re.compile(
    r"-!- |\*\*\* |![\w.]+ |-[^\s-]+- |(?:MOD_ACTION|VIEWERS|VIEWERSTATS|JOIN|PART|MOD|UNMOD): "
)
_CHATTY_LIST = re.compile(r"(?P<what>BAN|DELETED|BITS): (?P<rest>.*)")
_CHATTY_BAN = re.compile(r"(\w{1,100})(?: \(\d{1,12}s\))?(?: \[[^\]]{0,999}\])?(?: \{[^}]{0,99}\})?(?:, |$)")
_CHATTY_DELETED = re.compile(r"(\w{1,100}) \((.{0,999}?)\)(?=, \w{1,100} \(|$)")
_REMOVED = re.compile(r"A message from (?P<name>\w{1,100}) was deleted: (?P<text>.*)")
# Sentences of events, the name of whom they are about first.
_SENTENCES = tuple(
    (kind, re.compile(sentence))
    for kind, sentence in (
        ("ban_user", r"(\w{1,100}) (?:has been|was) (?:timed out|permanently banned|banned)\b.*"),
        ("ban_user", r"\w{1,100} (?:timed out|permanently banned|banned) (\w{1,100})\b.*"),
        ("raid", r"[\d,]+ raiders from (\w{1,100}) have joined\b.*"),
        ("anonymous_subscription_gift", r"An anonymous (?:user|gifter) gifted a Tier .*"),
        ("anonymous_mystery_subscription_gift", r"An anonymous (?:user|gifter) is gifting \d+ .*"),
        ("resubscription", r"(\w{1,100}) (?:just )?subscribed\b.* months? in a row.*!"),
        ("subscription", r"(\w{1,100}) (?:just )?subscribed\b.*!"),
    )
)
_TWITCH_SPEAKS = ("twitchnotify", "jtv", "tmi.twitch.tv")
_HEADING = re.compile(
    r"# (?:Start|Stop) logging at (?P<moment>\S+ \S+)(?: (?P<zone>.*))?"
    r"|# Log (?:started|closed): (?P<moment2>\S+ \S+)(?: (?P<zone2>.*))?"
    r"|--- (?:Log opened|Log closed|Day changed) (?P<date>.*)"
)


def recognize_lines(lines: list[str]) -> str:
    """Return the name of the format that most of the lines have, "" if it is none of those read here."""
    sample = list(islice((line for line in lines if line.strip()), _SAMPLE))
    headed = any(map(_HEADING.fullmatch, sample[:5]))
    for name, patterns in _PATTERNS.items():
        n_fitting = sum(any(pattern.fullmatch(line) for pattern in patterns) for line in sample)
        enough = 0.95 if name == "twitch-downloader-text" else 0.5
        if n_fitting > enough * len(sample) or (headed and name == "irc-log"):
            return name
    return ""


def looks_like_chat(text: str) -> bool:
    """Return whether a file that begins so is a chat; any program's log of moments is none for certain."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    name = recognize_lines(lines)
    return name != "" and not (
        name == "plain-log" and any(re.match(rf"\[?{_MOMENT}", line) for line in lines)
    )


def find_chats(text: str, file_name: str, notes: Notes, _columns: object = None) -> list[Chat] | None:
    """Return the chats in a text: of a log with dates one more after each six hours of silence.

    None if it is no log. Lines that are no messages are counted in `notes`.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    LINE_MB.require(max(map(len, lines)) / 1e6)
    name = recognize_lines(lines)
    if not name:
        return None
    log = _Log(name, file_name, notes)
    read = {"irc-log": log.read_irc, "plain-log": log.read_plain}.get(name, log.read_downloaded)
    for line in lines:
        if line.strip() and not read(clean_text(line)):
            notes["line is no message"] += 1
    return log.finish()


class _Log:
    """The messages of a log, read line by line.

    The methods `read_…` return whether a line says something of the chat, or of the log.
    """

    def __init__(self, name: str, file_name: str, notes: Notes) -> None:
        self._name, self._file_name, self._notes = name, file_name, notes
        self._is_twitch = name in ("irc-log", "twitch-downloader-text")
        self._ids = IdMaker()
        self._messages: list[Message] = []
        self._said: dict[str, deque[int]] = {}  # by whom, in small letters: places in `_messages`
        self._clock = _Clock(_FILE_DAY.search(file_name), notes)

    def finish(self) -> list[Chat]:
        """Return the chats of the lines that were read: one, or one between two long silences."""
        messages = self._messages
        channel = _FILE_CHANNEL.fullmatch(self._file_name) if self._name == "irc-log" else None
        stream = Stream(TWITCH if self._is_twitch else "", "", channel_name=channel and channel[1])
        if not messages or any(m.offset_s is not None for m in messages):
            return [Chat(self._name, stream, messages, self._notes)]
        if not self._clock.has_day:
            first_us = min(m.timestamp_us or 0 for m in messages)
            messages = [
                m._replace(offset_s=((m.timestamp_us or 0) - first_us) / 1e6, timestamp_us=None)
                for m in messages
            ]
            return [Chat(self._name, stream._replace(view="live"), messages, self._notes)]
        parts = _split_at_gaps(messages)
        if len(parts) == 1:
            return [Chat(self._name, stream, messages, self._notes)]
        base = re.sub(r"(\.(log|txt|gz))+$", "", self._file_name)[:150]
        chats: list[Chat] = []
        for part in parts:
            start = dt.datetime.fromtimestamp((part[0].timestamp_us or 0) / 1e6, dt.UTC)
            own = stream._replace(video_id=f"{base} {start:%Y-%m-%d %H.%M}")
            chats.append(Chat(self._name, own, part, Notes() if chats else self._notes))
        return chats

    def _add(
        self,
        time: _Time,
        name: str | None,
        text: str | None,
        kind: str = "text_message",
        login: str = "",
        **fields: str | None,
    ) -> bool:
        """Keep a message; return True."""
        if name is not None and self._name == "twitch-downloader-text":
            kind, text, fields["notice"] = find_event(kind, text, name)
        money = read_money(fields.pop("amount", None))
        message = Message(
            "",
            "paid_message" if money.amount_text and kind == "text_message" else kind,
            time.offset_s,
            author_key(None, name),
            name,
            text or None,
            **money._asdict(),
            bits=count_bits(text) if self._is_twitch and text and kind == "text_message" else None,
            timestamp_us=time.timestamp_us,
            **fields,
        )
        if name is not None and kind in CHAT_KINDS:
            places = self._said.setdefault((login or name).casefold(), deque(maxlen=_REMEMBERED))
            places.append(len(self._messages))
        self._messages.append(self._ids.complete(message))
        return True

    # -------------------------------------------------------------- downloaded and plain

    def read_downloaded(self, line: str) -> bool:
        """Read a line of chat-downloader's or TwitchDownloader's."""
        for pattern in _PATTERNS[self._name]:
            if found := pattern.fullmatch(line):
                time = self._clock.read_offset(found["stamp"])
                return time is not None and self._read_rest(time, found["rest"])
        return False

    def _read_rest(self, time: _Time, rest: str) -> bool:
        """Read what follows the time: `(badges) *amount* author: message`, or a notice."""
        if self._name == "chat-downloader-text" and self._read_sentence(time, rest):
            return True
        badges = amount = None
        if self._name == "chat-downloader-text":
            if found := _BADGES.match(rest):
                badges, rest = found[1], rest[found.end() :]
            if found := _AMOUNT.match(rest):
                amount, rest = found[1], rest[found.end() :]
        name, colon, text = rest.partition(": ")
        if not colon and rest.endswith(":"):  # an editor took the blank at the line's end
            name, colon = rest[:-1], ":"
        titles = name_json(re.split(r", (?![^()]*\))", badges)) if badges else None
        if not colon and not badges and not amount:
            return bool(rest) and self._add(time, None, None, "viewer_engagement_message", notice=rest)
        kind = "text_message"
        if not colon and not amount and badges and "new member" in badges.lower():
            kind = "membership_item"
        return bool(name.strip()) and self._add(time, name.strip(), text, kind, badges=titles, amount=amount)

    def _read_sentence(self, time: _Time, rest: str) -> bool:
        """Read a subscription as chat-downloader writes it: Twitch's sentence, then the author's words."""
        name = rest.partition(" ")[0]
        kind, text, notice = find_event("text_message", rest, None if name.endswith(":") else name)
        return notice is not None and self._add(time, name, text, kind, notice=notice)

    def read_plain(self, line: str) -> bool:
        """Read a line of a time, a name and a text; return whether it is one."""
        found = _PLAIN.fullmatch(line)
        time = self._clock.read_offset(found["stamp"]) if found else None
        return found is not None and time is not None and self._add(time, found["name"], found["text"])

    # -------------------------------------------------------------- IRC

    def read_irc(self, line: str) -> bool:
        """Read a line of Chatterino's, Chatty's, irssi's, or of a log like theirs."""
        if found := _HEADING.fullmatch(line):
            self._clock.begin(
                found["moment"] or found["moment2"], found["zone"] or found["zone2"], found["date"]
            )
            return True
        if found := _SAID.fullmatch(line) or _ACTION.fullmatch(line):
            time = self._clock.read_time(found["stamp"])
            return time is not None and self._read_said(time, found["name"].strip(), found["text"])
        found = _STAMPED.fullmatch(line)
        time = self._clock.read_time(found["stamp"]) if found else None
        if found is None or time is None:
            return False
        rest = found["rest"]
        if self._read_event(time, _IRSSI_SERVER.sub("", rest).lstrip()):
            return True
        said = None if _OF_PROGRAM.match(rest) else _CHATTERINO_SAID.fullmatch(rest)
        return said is not None and self._read_said(
            time, said["shown"] or said["name"], said["text"], login=said["name"]
        )

    def _read_said(self, time: _Time, name: str, text: str, login: str = "") -> bool:
        """Read somebody's words. A name in another script has the login beside it, which deletions name."""
        if name.casefold() in _TWITCH_SPEAKS:
            return self._read_event(time, text)
        if found := re.fullmatch(r"(.*) \((\w+)\)", name):  # Chatty's
            name, login = found.groups()
        return bool(name) and self._add(time, name, text, login=login)

    def _read_event(self, time: _Time, line: str) -> bool:
        """Read a sentence of Twitch's or of a client: a subscription, a gift, a raid, a deletion, a ban."""
        if found := _CHATTY_LIST.fullmatch(line):
            return self._read_list(time, found["what"], found["rest"])
        if len(line) > _LONGEST_NOTICE:
            return False
        notice, attached = line, None
        if found := _CHATTY_EVENT.fullmatch(line):
            notice = found["text"]
        name = notice.partition(" ")[0]
        kind, text, sentence = find_event("text_message", notice, None if name.endswith(":") else name)
        if sentence is not None:
            if text and text.startswith("[") and text.endswith("]"):
                text = text[1:-1]
            elif found and (attached := re.fullmatch(r"(.*[.!]) \[(.*)\]", sentence)):
                sentence, text = attached.groups()
            return self._add(time, name, text, kind, notice=sentence)
        if found := _REMOVED.fullmatch(notice):
            return self._remove(time, found["name"], found["text"])
        for event, pattern in _SENTENCES:
            if found := pattern.fullmatch(notice):
                return self._add(time, next(iter(found.groups()), None), None, event, notice=notice)
        return False

    def _read_list(self, time: _Time, what: str, rest: str) -> bool:
        """Read Chatty's lists of who was banned, whose message was deleted, who gave how many bits."""
        if what == "BITS":
            found = re.fullmatch(r"(\w{1,100}) \((\d{1,9})\)", rest)
            return found is not None and self._add_bits(time, found[1], read_count(found[2]))
        if what == "DELETED":
            return sum(self._remove(time, *each.groups()) for each in _CHATTY_DELETED.finditer(rest)) > 0
        return sum(self._add(time, each[1], None, "ban_user") for each in _CHATTY_BAN.finditer(rest)) > 0

    def _remove(self, time: _Time, name: str, text: str) -> bool:
        """Keep a deletion; it says which message, if that is among the author's last."""
        places = self._said.get(name.casefold(), ())
        target = next((m for i in reversed(places) if (m := self._messages[i]).text == text), None)
        return self._add(
            time,
            None,
            None,
            "deleted_message",
            target_id=target and target.message_id,
            notice="Message deleted",
        )

    def _add_bits(self, time: _Time, name: str, bits: int | None) -> bool:
        """Give the author's message just before, or else a row of its own, the bits of a line about them."""
        places = self._said.get(name.casefold())
        if not places or abs((self._messages[places[-1]].timestamp_us or 0) - (time.timestamp_us or 0)) > 5e6:
            self._add(time, name, None)
            places = self._said[name.casefold()]
        self._messages[places[-1]] = self._messages[places[-1]]._replace(bits=bits)
        return True


_PATTERNS: dict[str, tuple[re.Pattern[str], ...]] = {
    "twitch-downloader-text": (_BRACKETED_UTC, _BRACKETED_LONG),
    "irc-log": (_SAID, _ACTION, _IRSSI_EVENT),
    "chat-downloader-text": (_DOWNLOADED, _BRACKETED),
    "plain-log": (_PLAIN,),
}


# ------------------------------------------------------------------ times


class _Time(NamedTuple):
    """When a line was written: an offset in the stream, or a moment."""

    offset_s: float | None = None
    timestamp_us: int | None = None


class _Clock:
    """Makes times of a log's stamps; it knows the day that a time of day is on, and the log's zone."""

    def __init__(self, day_in_name: re.Match[str] | None, notes: Notes) -> None:
        midnight_us = read_timestamp_text("-".join(day_in_name.groups())) if day_in_name else None
        self.has_day = midnight_us is not None
        self._midnight_us = midnight_us or _SOME_DAY_US
        self._last_us: int | None = None  # of the day, of the line before
        self._zone_us = 0  # east of UTC
        self._notes = notes

    def begin(self, moment: str | None, zone: str | None, date: str | None) -> None:
        """Take the day, and the zone if it is named, from a heading."""
        if date:  # irssi's: Thu Jul 15 20:00:00 2021, or without the time
            found = re.fullmatch(r"\w+ (\w+) +(\d+)(?: \d\d:\d\d:\d\d)? (\d{4})", date.strip())
            parsed = parsedate_tz(f"{found[2]} {found[1]} {found[3]} 00:00:00") if found else None
            moment = f"{parsed[0]:04}-{parsed[1]:02}-{parsed[2]:02}" if parsed else None
        if moment and (midnight_us := read_timestamp_text(moment[:10])) is not None:
            self._midnight_us, self.has_day, self._last_us = midnight_us, True, None
            if zone:
                zone_s = split_zone(f"0:00 {zone}")[1]
                self._zone_us = (zone_s or 0) * 1_000_000
                if zone_s is None:
                    self._notes["a zone that is not known is read as UTC"] += 1

    def read_offset(self, stamp: str) -> _Time | None:
        """Return the time of a stamp that is an offset, a moment, or `08:15 PM`."""
        if stamp.endswith("M") or stamp[4:5] == "-":
            return self.read_time(stamp)
        offset_s = read_offset(stamp)
        return None if offset_s is None else _Time(offset_s)

    def read_time(self, stamp: str) -> _Time | None:
        """Return the time of a stamp that is a moment or a time of day."""
        stamp = stamp.strip("[]")
        if stamp[4:5] == "-":
            self.has_day, moment_us = True, read_timestamp_text(stamp)
        else:
            moment_us = self._follow(_read_time_of_day(stamp))
        timestamp_us = (moment_us or 0) - self._zone_us
        return _Time(None, timestamp_us) if MIN_TIMESTAMP_US <= timestamp_us <= MAX_TIMESTAMP_US else None

    def _follow(self, time_us: int | None) -> int | None:
        """Return the moment of a time of day; past midnight it is the next day's."""
        last_us = self._last_us
        if time_us is None:
            return None
        if last_us is not None and time_us > last_us + _DAY_US / 2:  # it came late, from before midnight
            return self._midnight_us - _DAY_US + time_us
        self._last_us = time_us
        if last_us is not None and time_us < last_us - _DAY_US / 2:
            self._midnight_us += _DAY_US
        elif last_us is not None and time_us < last_us - 60_000_000:
            self._notes["clock runs backwards"] += 1
        return self._midnight_us + time_us


@lru_cache(maxsize=1024)
def _read_time_of_day(text: str) -> int | None:
    """Return microseconds since midnight."""
    try:
        if text.endswith("M"):
            form = "%I:%M:%S %p" if text.count(":") > 1 else "%I:%M %p"
            time = dt.datetime.strptime(text, form).time()
        else:
            time = dt.time.fromisoformat(text[:15])
    except ValueError:
        return None
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond


def _split_at_gaps(messages: list[Message]) -> list[list[Message]]:
    """Return the messages, parted where `GAP_S` lie between one and the next, forwards or backwards."""
    parts: list[list[Message]] = []
    last_us = 0
    for message in messages:
        timestamp_us = message.timestamp_us or 0
        if not parts or abs(timestamp_us - last_us) > GAP_S * 1e6:
            parts.append([])
        parts[-1].append(message)
        last_us = timestamp_us
    return parts
