"""Results computed ahead by threads: in order, never far ahead, all ended together."""

import threading
import time

import pytest

from chatlib.ahead import RESULTS_PER_THREAD, iter_ahead

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
        return iter_ahead(self, items, n_threads=n_threads, on_stop=self.stop.set)


def soon(condition, seconds=5.0):
    """Return whether something becomes true within some seconds."""
    latest = time.monotonic() + seconds
    while not condition() and time.monotonic() < latest:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("n_threads", [1, 2, 5, 16])
def test_the_order_is_kept_whichever_item_is_faster(n_threads):
    work = Work(lambda item: 0.05 if int(item[1:]) % 3 == 0 else 0.0)
    threads = threading.active_count()
    assert list(work.start(n_threads=n_threads)) == [item.upper() for item in ITEMS]
    assert sorted(work.begun) == sorted(ITEMS)
    assert 1 <= work.most <= n_threads
    assert soon(lambda: threading.active_count() <= threads)


def test_several_are_computed_at_once():
    barrier = threading.Barrier(3, timeout=10)
    work = Work(lambda item: float(barrier.wait() * 0))
    assert len(list(work.start(n_threads=3))) == 12 and work.most == 3


def test_nothing_asked_for_is_nothing_done():
    work = Work()
    assert (list(work.start([])), work.begun) == ([], [])


def test_nobody_runs_far_ahead_of_who_takes_the_results():
    work = Work()
    items = [f"v{n}" for n in range(60)]
    results = work.start(items)
    first = next(results)
    assert soon(lambda: len(work.begun) == 2 * RESULTS_PER_THREAD)
    time.sleep(0.3)  # somebody takes his time
    assert len(work.begun) == 2 * RESULTS_PER_THREAD
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
    assert soon(lambda: threading.active_count() <= threads)
    assert "v11" not in work.begun


def test_who_closes_it_early_leaves_no_thread():
    threads = threading.active_count()
    work = Work(lambda item: 0.0 if item == "v0" else 60.0)
    results = work.start(n_threads=3)
    next(results)
    results.close()
    assert work.stop.is_set()
    assert soon(lambda: threading.active_count() <= threads)
