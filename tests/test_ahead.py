"""Look-ahead gives results in order, never too far ahead, and ends when its reader does."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from chatlib.ahead import ITEMS_PER_WORKER, map_ahead
from tests.places import ROOT
from tests.waiting import wait_until

ITEMS = [f"v{n}" for n in range(12)]


class Work:
    """Takes as long as told per item, and notes what was begun; `stop` ends what is running."""

    def __init__(self, seconds=lambda item: 0.0):
        self.seconds = seconds
        self.begun = []
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def __call__(self, item):
        with self.lock:
            self.begun.append(item)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            seconds = self.seconds(item)
            if isinstance(seconds, BaseException):
                raise seconds
            if self.stop.wait(seconds):
                raise InterruptedError
        finally:
            with self.lock:
                self.now -= 1
        return item.upper()

    def start(self, items=ITEMS, n_threads=2):
        return map_ahead(self, items, workers=n_threads, on_stop=self.stop.set)


@pytest.mark.parametrize("n_threads", [1, 2, 5, 16])
def test_the_order_is_kept_whichever_item_is_faster(n_threads):
    work = Work(lambda item: 0.05 if int(item[1:]) % 3 == 0 else 0.0)
    threads = threading.active_count()
    assert list(work.start(n_threads=n_threads)) == [item.upper() for item in ITEMS]
    assert sorted(work.begun) == sorted(ITEMS)
    assert 1 <= work.most <= n_threads
    wait_until(lambda: threading.active_count() <= threads)


def test_several_are_computed_at_once():
    barrier = threading.Barrier(3, timeout=60)
    work = Work(lambda item: float(barrier.wait() * 0))
    assert len(list(work.start(n_threads=3))) == 12 and work.most == 3


def test_nobody_runs_far_ahead_of_who_takes_the_results():
    work = Work()
    items = [f"v{n}" for n in range(60)]
    results = work.start(items)
    first = next(results)
    wait_until(lambda: len(work.begun) == 2 * ITEMS_PER_WORKER)
    time.sleep(0.3)  # somebody takes his time
    assert len(work.begun) == 2 * ITEMS_PER_WORKER
    assert [first, *results] == [item.upper() for item in items]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), TimeoutError("y"), SystemExit(3)])
def test_an_error_ends_all_when_its_turn_comes(error):
    work = Work(lambda item: error if item == "v4" else 0.01)
    threads = threading.active_count()
    got = []
    with pytest.raises(type(error)) as raised:
        got.extend(iter(work.start()))
    assert raised.value is error
    assert got == ["V0", "V1", "V2", "V3"]
    assert work.stop.is_set()
    wait_until(lambda: threading.active_count() <= threads)
    assert "v11" not in work.begun


def test_who_closes_it_early_leaves_no_thread():
    threads = threading.active_count()
    work = Work(lambda item: 0.0 if item == "v0" else 60.0)
    results = work.start(n_threads=3)
    next(results)
    results.close()
    assert work.stop.is_set()
    wait_until(lambda: threading.active_count() <= threads)


def die_of_three(number):
    if number == 3:
        os._exit(9)
    return number


def fail_on_two(number):
    if number == 2:
        raise ValueError("two")
    return number


@pytest.mark.parametrize("how", [{"workers": 0}, {"workers": 3}, {"workers": 2, "processes": True}])
def test_results_come_in_order(how):
    assert list(map_ahead(abs, range(-20, 0), **how)) == [*range(20, 0, -1)]
    assert list(map_ahead(abs, [], **how)) == []


@pytest.mark.parametrize("processes", [False, True])
def test_an_error_comes_where_its_result_is_due(processes):
    results = map_ahead(fail_on_two, range(5), processes=processes)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_a_worker_that_ends_costs_one_item():
    assert list(map_ahead(die_of_three, range(6), processes=True, on_lost=lambda n: f"lost {n}")) == [
        0, 1, 2, "lost 3", 4, 5,
    ]  # fmt: skip
    with pytest.raises(BrokenExecutor):
        list(map_ahead(die_of_three, range(6), processes=True))


def test_a_worker_that_has_ended_costs_no_item_that_comes_later():
    def come_late():
        yield from (2, 3)
        time.sleep(1)
        yield from (4, 5)

    assert list(map_ahead(die_of_three, come_late(), processes=True, on_lost=lambda n: f"lost {n}")) == [
        2, "lost 3", 4, 5,
    ]  # fmt: skip


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc")
@pytest.mark.parametrize("ending", ["raise KeyboardInterrupt", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_processes_end_with_their_parent_and_need_no_main_guard(ending):
    program = (
        "import os, signal, time\n"
        "from chatlib.ahead import map_ahead\n"
        "def work(n):\n"
        "    time.sleep(n)\n"
        "    return os.getpid()\n"
        "for pid in map_ahead(work, [0, 600, 600], processes=True):\n"
        f"    print(pid, flush=True)\n    {ending}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0
    wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists())  # a worker ends with its parent
