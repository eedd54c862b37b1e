"""`chatlib watch` as a program, on both sites: disconnected and killed while a full chat goes on."""

import datetime as dt
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.collect.twitch.site.graphql import make_vod
from tests.collect.twitch.site.irc import FakeIrc, make_privmsg, write_authority
from tests.collect.youtube.site.videos import LiveChat, live_action, make_video
from tests.places import ROOT
from tests.waiting import wait_until

ID = "livestream0"
PROGRAM = """
import sys
from chatlib.collect.twitch.live import TwitchFeed
TwitchFeed.__init__.__kwdefaults__["address"] = ("127.0.0.1", int(sys.argv.pop(1)))
from chatlib.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
CLOCKS = re.compile(r"(\d+):(\d\d):(\d\d)-(\d+):(\d\d):(\d\d)")
LOST_S = 5.0  # within which what was given must be written: a kill may take no more


class TwitchSide:
    """A channel on the local Twitch that began to stream now."""

    url, platform = "https://www.twitch.tv/sample", "twitch"

    def __init__(self, youtube, twitch):
        self.irc = FakeIrc(["hold"])
        write_authority(youtube.ca_file)
        self.start = dt.datetime.now(dt.UTC).replace(microsecond=0)
        live = {"id": "405", "createdAt": self.start.isoformat()}
        vod = make_vod("2001", 0, started_at=self.start, is_live=True)
        self.channel = twitch.add_channel("sample", [vod], live=live)
        self.port = str(self.irc.address[1])
        self.given = {}

    def say(self, numbers):
        """Say messages now; they are given to whoever is connected."""
        if self.irc.say(b"".join(make_privmsg(n, f"hi {n % 50}", author=n % 997) for n in numbers)):
            self.given |= dict.fromkeys(numbers, time.time())

    def count_visits(self):
        return self.irc.n_joined

    def disconnect(self):
        self.irc.drop()

    def id_of(self, number):
        return f"m{number}"

    def end(self):
        self.channel.live = None

    def close(self):
        self.irc.close()


class YouTubeSide:
    """A stream of a channel on the local YouTube that began now."""

    url, platform, port = "https://www.youtube.com/@sample", "youtube", "1"

    def __init__(self, youtube, twitch):
        self.start = dt.datetime.now(dt.UTC).replace(microsecond=0)
        began = self.start.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.video = make_video(ID, status="live", started_at=began)
        self.live = self.video.live = LiveChat(ID, timeout_ms=1000)
        youtube.add_channel("@sample", [self.video])

    def say(self, numbers):
        """Say messages now; they are given to who asks."""
        self.live.say(*(live_action(n, f"hi {n % 50}", author=f"@v{n % 997}") for n in numbers))

    @property
    def given(self):
        return dict(self.live.handed)

    def count_visits(self):
        return self.live.n_asked

    def disconnect(self):
        self.live.is_away = True
        threading.Timer(1.5, setattr, (self.live, "is_away", False)).start()

    def id_of(self, number):
        return f"ChwKGk{number:08d}"

    def end(self):
        self.video.status, self.live.is_over = "finished", True

    def close(self):
        self.live.is_away = False


@dataclass
class Log:
    """What a drill saw: when each message was said, and how the program was."""

    said: list = field(default_factory=list)  # moments, by number
    kills: list = field(default_factory=list)  # the moments between which the program ended
    lags_s: list = field(default_factory=list)
    rss_mb: list = field(default_factory=list)
    cpu_s: float = 0.0
    output: str = ""

    @property
    def pause_s(self):
        """The longest time in which nothing was said: a busy machine's, which nothing can be exact about."""
        return max(then - before for before, then in itertools.pairwise(self.said))


def run_drill(side, youtube, path, *, seconds, per_s, disconnections, kills):
    """Play a chat while the program watches it, and until it is back; return what was seen."""
    log, done = Log(), threading.Event()
    environment = os.environ | youtube.environment()
    environment["PYTHONPATH"] += f"{os.pathsep}{ROOT}"
    command = [sys.executable, "-c", PROGRAM, side.port, "watch", side.url, "--db", str(path), "--until-end"]

    def begin():
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def play():
        began = time.time()
        while not done.is_set():
            due = range(len(log.said), round((time.time() - began) * per_s))
            log.said += [time.time()] * len(due)
            side.say(due)
            time.sleep(0.02)

    program = begin()
    player = threading.Thread(target=play, daemon=True)
    wait_until(side.count_visits, program)
    player.start()
    began = time.time()
    events = sorted(
        [((i + 0.2) * seconds / (disconnections or 1), "away") for i in range(disconnections)]
        + [((i + 0.5) * seconds / (kills or 1), "kill") for i in range(kills)]
    )
    usage, visits = 0.0, 0
    while events or time.time() - began < seconds or side.count_visits() <= visits:
        time.sleep(0.25)
        if events and time.time() - began > events[0][0]:
            _, event = events.pop(0)
            if event == "away":
                side.disconnect()
            else:
                usage += measure(program.pid)[1]
                killed_at = time.time()
                program.send_signal(signal.SIGKILL)
                log.output += program.communicate()[0]
                log.kills.append((killed_at, time.time()))
                visits, program = side.count_visits(), begin()
        rss_mb, _ = measure(program.pid)
        log.rss_mb.append(rss_mb)
        log.lags_s.append(find_lag(path, side))
    done.set()
    player.join()
    wait_until(lambda: find_lost(log, side, path) == set(), program)
    log.cpu_s = usage + measure(program.pid)[1]
    side.end()
    log.output += program.communicate(timeout=300)[0]
    assert program.returncode == 0, log.output[-2000:]
    return log


def measure(pid):
    """Return a process's memory in MB and the seconds of processor that it took."""
    process = Path(f"/proc/{pid}")
    rss_mb = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    parts = (process / "stat").read_text().rpartition(")")[2].split()
    return rss_mb, (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def find_lag(path, side):
    """Return how long ago the newest stored message was said, None before there is one."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT last_offset_s FROM streams").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None or row[0] is None else time.time() - side.start.timestamp() - row[0]


def load_stored(path):
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT message_id FROM messages WHERE kind = 'text_message'")]


def find_lost(log, side, path):
    """Return the messages that were given to a program that lived on, and are not stored."""
    lost_s = LOST_S + log.pause_s
    stored = set(load_stored(path))
    return {
        n
        for n, at in side.given.items()
        if side.id_of(n) not in stored
        and not any(began - lost_s < at < ended + 0.5 for began, ended in log.kills)
    }


def check(log, side, path):
    """Check what is stored against what was said; return seconds told, seconds missed, how often told."""
    stored = load_stored(path)
    with closing(sqlite3.connect(path)) as db:
        ((reason, n_messages, n_rows),) = db.execute(
            "SELECT reason, n_messages, (SELECT count(*) FROM messages) FROM streams"
        ).fetchall()
    assert len(stored) == len(set(stored)) and n_messages == n_rows
    assert find_lost(log, side, path) == set()
    start, pause_s = side.start.timestamp(), log.pause_s
    told = [(seconds(*clocks[:3]), seconds(*clocks[3:])) for clocks in CLOCKS.findall(reason or "")]
    numbers = {side.id_of(n): n for n in range(len(log.said))}
    kept = {numbers[message_id] for message_id in stored}
    missed = {n: at - start for n, at in enumerate(log.said) if n not in kept}
    outside = [
        t for t in missed.values() if not any(a - 1 - pause_s <= t <= b + 2 + pause_s for a, b in told)
    ]
    assert outside == [], (told, reason)
    missed_s = sum(at - missed[n - 1] for n, at in missed.items() if n - 1 in missed)
    told_s = sum(
        float(n.replace(",", "")) for n in re.findall(r"not connected for ([\d,.]+) s", reason or "")
    )
    return told_s, missed_s, len(re.findall("not connected", reason or ""))


def seconds(hours, minutes, rest):
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


@pytest.fixture(params=[TwitchSide, YouTubeSide], ids=lambda site: site.platform)
def side(request, youtube, twitch):
    """A stream on either site that began now."""
    with closing(request.param(youtube, twitch)) as side:
        yield side


def test_a_watch_that_is_disconnected_and_killed_says_what_it_missed(side, youtube, tmp_path):
    path = tmp_path / "chat.dbs"
    log = run_drill(side, youtube, path, seconds=10, per_s=200, disconnections=1, kills=1)
    told_s, missed_s, _ = check(log, side, path)
    assert len(log.said) > 1500
    before_s = log.said[0] - side.start.timestamp()  # what was said then is not known
    slack_s = 2 + 2 * log.pause_s
    assert missed_s - slack_s <= told_s <= missed_s + slack_s + before_s


@pytest.mark.real
def test_half_an_hour_of_a_full_chat_played_ten_times_as_fast(side, youtube, tmp_path, capsys):
    path = tmp_path / "chat.dbs"
    log = run_drill(side, youtube, path, seconds=180, per_s=2000, disconnections=10, kills=5)
    told_s, missed_s, n_told = check(log, side, path)
    with capsys.disabled():
        print(f"\n{side.platform}: {len(log.said):,} said, {told_s} s told, {missed_s:.1f} s missed")
    before_s = log.said[0] - side.start.timestamp()
    assert missed_s - n_told - 1 <= told_s <= missed_s + n_told + 1 + before_s


@pytest.mark.real
def test_at_200_messages_a_second_little_is_used(side, youtube, tmp_path, capsys):
    path = tmp_path / "chat.dbs"
    log = run_drill(side, youtube, path, seconds=120, per_s=200, disconnections=0, kills=0)
    check(log, side, path)
    lags_s = [lag for lag in log.lags_s if lag is not None]
    late, end = log.rss_mb[len(log.rss_mb) // 2], log.rss_mb[-1]
    with capsys.disabled():
        print(
            f"\n{side.platform}: {log.cpu_s / 125:.1%} of a core, at most {max(lags_s):.1f} s late, "
            f"{late:.0f} MB at half time, {end:.0f} MB in the end"
        )
    assert max(lags_s) < 5
    assert log.cpu_s / 125 < 0.25
    assert end - late < 25
