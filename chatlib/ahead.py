"""Results computed ahead by threads and handed over in the order of what was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["iter_ahead"]

RESULTS_PER_THREAD = 3  # finished results that may wait for an earlier one

Item = TypeVar("Item")
Result = TypeVar("Result")


def iter_ahead(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    n_threads: int,
    on_stop: Callable[[], object] = lambda: None,
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order; threads compute, at most a few results ahead.

    When the iterator is closed early, by Ctrl-C too, or an item fails, no further item is begun
    and `on_stop` is called, which should end those that are running. The threads never keep the
    program alive. Raises: what `function` raises, when its item's turn comes.
    """
    results: list[Future[Result]] = [Future() for _ in items]
    todo = iter(range(len(items)))
    lock = threading.Lock()
    slots = threading.Semaphore(n_threads * RESULTS_PER_THREAD)
    stopped = threading.Event()

    def work() -> None:
        while True:
            slots.acquire()
            with lock:
                number = None if stopped.is_set() else next(todo, None)
            if number is None:
                return
            try:
                results[number].set_result(function(items[number]))
            except BaseException as error:
                stopped.set()
                results[number].set_exception(error)

    for _ in range(min(n_threads, len(items))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for number, result in enumerate(results):
            yield _wait_for(result)
            results[number] = Future()  # the result is no longer needed here
            slots.release()
    except BaseException:
        on_stop()
        raise
    finally:
        stopped.set()
        slots.release(n_threads)


def _wait_for(result: Future[Result]) -> Result:
    while True:
        try:
            return result.result(timeout=0.2)  # in steps, so that Ctrl-C is noticed everywhere
        except TimeoutError:
            if result.done():  # the function's own TimeoutError
                raise
