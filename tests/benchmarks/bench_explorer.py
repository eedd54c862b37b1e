"""What the explorer of 400 streams with 3 million messages costs to build, and to open in Chromium.

python tests/benchmarks/bench_explorer.py [--quick]
"""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from chatlib.pipeline.explorer import write_explorer
from chatlib.pipeline.pages import render_index
from chatlib.pipeline.settings import describe_run
from chatlib.records import Message, Stream
from chatlib.store import open_store

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.pipeline.chromium import open_chromium

SCALE = 100 if "--quick" in sys.argv else 1  # a hundredth of the messages
SIZES = [100_000 // SCALE, *[7_270 // SCALE] * 399]
WORDS = ("lol", "wow", "nice", "stream", "what", "how", "great", "again", "gg", "LUL", "KEKW", "草", "すごい")
OPENED = """
while (!document.querySelector('.chat li')) await new Promise((done) => setTimeout(done, 5));
return performance.now();
"""
ZOOM = """
const canvas = document.querySelector('.timeline canvas'), took = [];
for (let i = 0; i < 40; i++) {
  const before = performance.now(), at = canvas.getBoundingClientRect().left + 400;
  canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: i < 20 ? -1 : 1, clientX: at, ctrlKey: true}));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  took.push(performance.now() - before);
}
return Math.max(...took);
"""


def fill_database(path: Path) -> None:
    """Fill a database with streams of random words, an hour to three long, by 30,000 people."""
    rng = random.Random(3)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 8))) for _ in range(200_000 // SCALE)]
    with open_store(path, create=True) as db:
        for number, n in enumerate(SIZES):
            video_id, people = f"v{number:010}", rng.choices(range(30_000), k=n)
            stream = Stream(
                "youtube", video_id, f"https://www.youtube.com/watch?v={video_id}", duration_s=10_800
            )
            rows = zip(sorted(rng.uniform(0, 10_800) for _ in range(n)), people, strict=True)
            db.save_chat(stream, [
                Message(f"{number}-{i}", "text_message", at_s, f"UC{who:022}", f"ann{who}", rng.choice(texts))
                for i, (at_s, who) in enumerate(rows)
            ])  # fmt: skip


def main() -> None:
    """Build and open it."""
    with tempfile.TemporaryDirectory() as folder, open_chromium() as chromium:
        run = Path(folder) / "big"
        fill_database(run / "Db_file.dbs")
        start, begun = sum(os.times()[:4]), time.perf_counter()
        with open_store(run / "Db_file.dbs", read_only=True) as db:
            facts, _ = write_explorer(run, chat=db)
        render_index(run, describe_run(run, {}, chats=None, channels=None, general={}))
        cpu_s, wall_s = sum(os.times()[:4]) - start, time.perf_counter() - begun  # its worker processes, too
        mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        disk_mb = sum(path.stat().st_size for path in (run / "explorer").iterdir()) / 1e6
        size = f"{len(facts['streams'])} streams, {sum(SIZES):,} messages"
        print(f"{size}: {wall_s:.1f} s, {cpu_s:.1f} s of processor")
        print(f"{mb:,.0f} MB of memory in the process that leads, {disk_mb:.0f} MB on disk")
        largest = max(facts["streams"], key=lambda row: row["messages"])["stream"]
        for name, anchor in (("the list with a stream", ""), ("the largest stream", f"#{largest}")):
            took = []
            for _ in range(3):
                chromium.open(run / "explorer.html", width=1280, anchor=anchor)
                took.append(chromium.driver.execute_script(OPENED))
            print(f"{name} is open after {min(took):,.0f} ms, the best of 3")
        print(f"the longest of 40 steps of zoom there: {chromium.driver.execute_script(ZOOM):.0f} ms")


if __name__ == "__main__":
    main()
