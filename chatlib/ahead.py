"""Ordered look-ahead: the next results are computed while the caller works on the ones before."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, Future
from multiprocessing.pool import ThreadPool
from typing import Any, Generic, TypeVar

__all__ = ["ITEMS_PER_WORKER", "map_ahead"]

ITEMS_PER_WORKER = 3  # begun, or done and waiting for the caller

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int = 1,
    processes: bool = False,
    on_stop: Callable[[], object] | None = None,
    on_lost: Callable[[T], R] | None = None,
) -> Generator[R, None, None]:
    """Yield `function(item)` of each item, in the order of the items.

    Calls run in `workers` threads or processes, a few items ahead of the caller; with 0 workers
    they run in the caller. An exception is raised where its result is due. When the iterator ends
    early (by an exception, by `close`, by leaving the for loop over it, also by Ctrl-C), no further
    call begins, `on_stop` is called, and processes are killed; threads never keep the program alive.

    For processes, function and items are pickled, and the program needs no `__main__` guard. When a
    process dies in a call (it ran out of memory, say), BrokenExecutor is raised; or, with `on_lost`,
    `on_lost(item)` is yielded for the oldest unfinished item, and a new process does the others.
    """
    if workers < 1:
        yield from map(function, items)
        return
    ahead = _Ahead(function, workers, processes)
    done = False
    try:
        for item in items:
            ahead.submit(item)
            if len(ahead.waiting) >= ITEMS_PER_WORKER * workers:
                yield ahead.take(on_lost)
        while ahead.waiting:
            yield ahead.take(on_lost)
        done = True
    finally:
        if on_stop and not done:
            on_stop()
        ahead.close()


class _Ahead(Generic[T, R]):
    """Submitted calls, in order, and the workers that run them."""

    def __init__(self, function: Callable[[T], R], workers: int, processes: bool) -> None:
        self._function, self._workers, self._processes = function, workers, processes
        self.waiting: deque[tuple[T, Future[R]]] = deque()
        self._pool = self._open()

    def _open(self) -> Any:
        if not self._processes:
            return _Threads(self._workers)
        from joblib.externals.loky import ProcessPoolExecutor  # never imports the caller's script

        return ProcessPoolExecutor(self._workers, initializer=_follow_parent, initargs=(os.getpid(),))

    def submit(self, item: T) -> None:
        """Begin the call of one item, to be yielded after those before it."""
        future: Future[R]
        try:
            future = self._pool.submit(self._function, item)
        except BrokenExecutor as error:  # a worker has died: handled when the oldest call is taken
            future = Future()
            future.set_exception(error)
        self.waiting.append((item, future))

    def take(self, on_lost: Callable[[T], R] | None) -> R:
        """Return the result of the oldest call, when it is there."""
        item, future = self.waiting.popleft()
        try:
            return _wait_for(future)
        except BrokenExecutor:
            if on_lost is None:
                raise
            self._restart()
            return on_lost(item)

    def _restart(self) -> None:
        """Submit to new workers what the broken ones had not finished."""
        self.close()
        self._pool = self._open()
        old, self.waiting = self.waiting, deque()
        for item, future in old:
            if future.done() and not isinstance(future.exception(), BrokenExecutor):
                self.waiting.append((item, future))
            else:
                self.submit(item)

    def close(self) -> None:
        """Stop the workers. Loky fails if its processes are killed before it has handed out every call."""
        deadline = time.monotonic() + 1
        while self._processes and time.monotonic() < deadline:
            if all(future.running() or future.done() for _, future in self.waiting):
                break
            time.sleep(0.01)
        self._pool.shutdown(kill_workers=True)


class _Threads:
    """Daemon threads that run calls, each with a future of its own."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPool(workers)

    def submit(self, function: Callable, item: object) -> Future:
        future: Future = Future()
        self._pool.apply_async(_run, (future, function, item))
        return future

    def shutdown(self, *, kill_workers: bool) -> None:
        """End the threads after the calls they run; queued ones are dropped."""
        self._pool.terminate()


def _run(future: Future, function: Callable, item: object) -> None:
    try:
        future.set_result(function(item))
    except BaseException as error:
        future.set_exception(error)


def _wait_for(future: Future[R]) -> R:
    while True:
        try:
            return future.result(timeout=0.2)  # in steps, so that Ctrl-C is noticed everywhere
        except TimeoutError:
            if future.done():  # the function's own TimeoutError
                return future.result()


def _follow_parent(parent: int) -> None:
    """Make a worker ignore Ctrl-C, on which its parent kills it, and exit when the parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
