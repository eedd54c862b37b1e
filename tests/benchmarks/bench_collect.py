"""Collecting from a local YouTube that takes 20 ms per request: where the time goes, beside the bare clients.

    python tests/benchmarks/bench_collect.py [--streams 6] [--messages 5000] [--latency-ms 20]

Own share is the time for reading, keeping and storing (processor time of the thread that does it),
against the wall time of the collection. The bare clients fetch the same streams one after the other
and store nothing.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

OWN = (
    ("chatlib.collect.sites.ResumeFile", "add"),
    ("chatlib.collect.youtube.site", "_complete"),
    ("chatlib.store.Store", "save_chat"),
    ("chatlib.collect.collection", "save_stream_list"),
    ("chatlib.collect.collection", "merge_stream_list"),
    ("chatlib.collect.files.innertube", "_read_action"),
    ("chatlib.collect.files.innertube", "_build_message"),
)


def serve(connection, n_streams, n_messages, latency_s):
    """Play YouTube in a process of its own until told to stop."""
    from tests.collect.youtube.site.server import FakeYoutube
    from tests.collect.youtube.site.videos import videos_of_simulation

    with FakeYoutube() as youtube:
        videos = videos_of_simulation(n_streams, n_messages, seed=1)
        youtube.add_channel("@sample", videos)
        youtube.latency_s = latency_s
        connection.send((youtube.environment(), [video.id for video in videos]))
        connection.recv()


class Clock:
    """Adds up the processor time of functions, from any thread."""

    def __init__(self):
        self.seconds = 0.0

    def wrap(self, place, name):
        """Put a timed function in the place of a module's or class's."""
        import importlib

        module, _, cls = place.rpartition(".") if place[place.rfind(".") + 1].isupper() else (place, "", "")
        owner = getattr(importlib.import_module(module), cls) if cls else importlib.import_module(module)
        inner = getattr(owner, name)

        def timed(*args, **kwargs):
            began = time.thread_time()
            result = inner(*args, **kwargs)
            self.seconds += time.thread_time() - began
            return result

        setattr(owner, name, timed)


def collect(source, at_once):
    """Collect the channel into a new database; return wall seconds and the number of messages."""
    from chatlib.collect.collection import collect_channels
    from chatlib.collect.lists import Channel
    from chatlib.collect.sites import CollectSettings
    from chatlib.store import open_store

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with open_store(path / "chat.dbs", create=True) as db:
            settings = CollectSettings(
                listing="yt-dlp", chat_sources=source, at_once=at_once, requests_per_s=1000
            )
            channel = Channel("https://www.youtube.com/@sample", path / "s.ods")
            began = time.perf_counter()
            report = collect_channels(db, [channel], settings, progress=False)
            return time.perf_counter() - began, report.n_added


def fetch_bare(source, video_ids):
    """Fetch with the client alone; return wall seconds."""
    from tests.collect.youtube.site.clients import download_with_yt_dlp, read_with_chat_downloader

    began = time.perf_counter()
    for video_id in video_ids:
        if source == "yt-dlp":
            with tempfile.TemporaryDirectory() as folder:
                download_with_yt_dlp(video_id, Path(folder))
        else:
            read_with_chat_downloader(video_id)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--latency-ms", type=float, default=20)
    args = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(
        target=serve, args=(theirs, args.streams, args.messages, args.latency_ms / 1000), daemon=True
    )
    server.start()
    environment, video_ids = ours.recv()
    os.environ.update(environment)
    import certifi

    certifi.where = lambda: environment["FAKE_YOUTUBE_CA"]
    clock = Clock()
    for place, name in OWN:
        clock.wrap(place, name)
    print(f"{args.streams} streams of about {args.messages:,} messages, {args.latency_ms:g} ms per request")
    for source in ("chat-downloader", "yt-dlp"):
        bare_s = fetch_bare(source, video_ids)
        print(f"{source:>16} alone              {bare_s:6.1f} s")
        for at_once in (1, 3):
            clock.seconds = 0.0
            wall_s, n_messages = collect(source, at_once)
            own_s = clock.seconds
            print(
                f"{source:>16} collected, {at_once} at once {wall_s:6.1f} s, "
                f"{n_messages / wall_s:8,.0f} messages/s, "
                f"own share {own_s:5.2f} s = {own_s / wall_s:5.1%}, {bare_s / wall_s:4.2f} × the client alone"
            )
    ours.send("stop")
    server.join(10)


if __name__ == "__main__":
    main()
