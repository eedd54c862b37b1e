"""Tasks on a Ray cluster: each done once, whatever ends in the middle, and the failed ones named.

A task writes its outputs, whole or not at all, and after them its record. It is done if its record is
there, made of the same input with the same settings. So a worker or a node that is lost costs a
repetition, a driver that starts again does what is left, and what runs twice writes the same twice.
"""

from __future__ import annotations

import faulthandler
import hashlib
import importlib.util
import json
import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import chatlib
from chatlib.errors import ChatlibError, ParameterError
from chatlib.files import atomic_write
from chatlib.options import option
from chatlib.text import one_line
from chatlib.workspace import progress_bar

__all__ = [
    "Cluster",
    "ClusterSettings",
    "Ended",
    "Report",
    "Task",
    "open_cluster",
    "prepare_output",
    "read_manifest",
    "run_tasks",
    "write_manifest",
]

log = logging.getLogger(__name__)

_RETRIES = 10  # of a task whose worker or node was lost
_START_S = 600  # for Ray to start, or to connect
_AHEAD = 3  # tasks begun or waiting, for each that runs
_OBJECT_STORE = 2**27  # bytes; what goes between driver and workers is small
_RECORDS = "records"


@dataclass(frozen=True)
class ClusterSettings:
    """Where tasks run: at the `address` of a running cluster, else at `RAY_ADDRESS`, else on this machine.

    On this machine there are `workers` (0: one a core) and `gpus`; with `gpus`, each task that wants one
    gets one to itself.
    """

    address: str = option(
        "", "of a Ray cluster (default: RAY_ADDRESS, else this machine alone)", metavar="ADDRESS"
    )
    workers: int = option(0, "on this machine alone; 0 is one per core")
    gpus: int = option(0, "workers with a GPU each; 0 is none, on cores")

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ParameterError(f"--workers must be 0 or more, got {self.workers}.")


class Ended(NamedTuple):
    """A task that ended: its place among those given, its result, or else why there is none."""

    place: int
    result: Any
    error: str


class Cluster:
    """A connection to Ray, made when there is something to do. Get it from `open_cluster`."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._ray: Any = None
        self._is_own = False

    def connect(self) -> Any:
        """Return Ray, connected to the cluster, or to one that is started on this machine.

        Raises: ParameterError if there is no cluster at the address.
        """
        if self._ray is None:
            _set_environment(self._settings)
            ray = importlib.import_module("ray")
            is_own = not ray.is_initialized()
            if is_own:
                _connect(ray, self._settings)
            self._ray, self._is_own = ray, is_own
        return self._ray

    def close(self) -> None:
        """Leave the cluster, unless the program was connected before; one that was started here ends."""
        if self._is_own:
            self._ray.shutdown()

    def map(
        self, function: Callable[[Any], Any], items: Iterable[Any], *, gpus: float = 0
    ) -> Iterator[Ended]:
        """Yield what became of `function(item)` for each item, as they end; a few at a time are begun.

        Function and items are pickled. A function that raises ends its own task; one whose worker is lost
        runs again, up to ten times. Each takes a core, and `gpus`.
        """
        ray = self.connect()
        remote = ray.remote(max_retries=_RETRIES, max_calls=0, num_cpus=1, num_gpus=gpus)(_call)
        waiting: dict[Any, int] = {}
        tasks = enumerate(items)
        try:
            while True:
                n_cores = int(ray.cluster_resources().get("CPU", 1))
                for place, item in islice(tasks, max(0, _AHEAD * max(1, n_cores) - len(waiting))):
                    waiting[remote.remote(function, item)] = place
                if not waiting:
                    return
                ended, _ = ray.wait(list(waiting), timeout=1)  # in steps: Ctrl-C is noticed
                for reference in ended:
                    yield self._take(waiting.pop(reference), reference)
        finally:
            for reference in waiting:
                with suppress(Exception):  # the cluster may be gone
                    ray.cancel(reference, force=True)

    def _take(self, place: int, reference: Any) -> Ended:
        try:
            return Ended(place, *self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            reason = one_line(str(error).strip().splitlines()[0] if str(error).strip() else error, 200)
            return Ended(place, None, f"Its worker was lost {_RETRIES + 1} times ({reason}).")


@contextmanager
def open_cluster(settings: ClusterSettings | None = None) -> Iterator[Cluster]:
    """Connect to a Ray cluster, or start one on this machine that ends with the block.

    Raises: ParameterError if Ray is not installed, or there is no cluster at the address.
    """
    settings = settings or ClusterSettings()
    if importlib.util.find_spec("ray") is None:
        raise ParameterError(
            "`chatlib scale` runs on Ray, which is not installed: `pip install 'chatlib[cluster]'`, or in a "
            "clone `make setup EXTRAS=cluster`."
        )
    cluster = Cluster(settings)
    try:
        yield cluster
    finally:
        cluster.close()


def _set_environment(settings: ClusterSettings) -> None:
    """Set what Ray reads when it is imported, unless it is set.

    Nothing leaves the machine; nobody else is let into a cluster of our own, and its key is kept nowhere.
    """
    wanted = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if not (settings.address or os.environ.get("RAY_ADDRESS")):
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def _connect(ray: Any, settings: ClusterSettings) -> None:
    address = settings.address or os.environ.get("RAY_ADDRESS", "")
    shared = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"num_cpus": settings.workers or os.cpu_count(), "num_gpus": settings.gpus or None}
    local = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE, **own}
    for tries_left in (2, 1, 0):
        try:
            if re.fullmatch(r"[^/]+:\d+", address):  # Ray itself tries a wrong one for a quarter of an hour
                host, _, port = address.rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), timeout=20).close()
            # Ray can wait for itself for ever, and holds Python meanwhile: no signal, no thread is heard.
            faulthandler.dump_traceback_later(_START_S, exit=True, file=2)
            ray.init(address or "local", **({} if address else local), **shared)
            return
        except Exception as error:  # Ray raises a plain one where a node is slow to start
            ray.shutdown()
            if address or "timed out" not in str(error):
                raise ParameterError(
                    f"A Ray cluster must answer at {address or 'this machine'}, and none does "
                    f"({one_line(error, 200)}). Start one with `ray start --head`, or leave --address out."
                ) from error
            if not tries_left:
                raise ParameterError(
                    "Ray must start within 30 s, its agents within 15 s, and three times they did not "
                    f"({one_line(error, 60)}). Leave it more of the machine, or start a cluster once, "
                    "`ray start --head`, and name it by --address auto."
                ) from error
        finally:
            faulthandler.cancel_dump_traceback_later()


def _call(function: Callable[[Any], Any], item: Any) -> tuple[Any, str]:
    """Return what a function returns and no error, or no result and the error as a sentence."""
    try:
        return function(item), ""
    except ChatlibError as error:
        return None, str(error)
    except Exception as error:
        return None, f"This should not have happened ({type(error).__name__}: {one_line(error, 300)})."


# ------------------------------------------------------------------ tasks with records


class Task(NamedTuple):
    """A piece of work: how people know it, a file name for its record, what it is made of, what it gets.

    Those of the largest `size` are begun first, so that none is left alone at the end.
    """

    name: str
    key: str
    made_of: str
    item: Any
    size: int = 0


class Report(NamedTuple):
    """What a run did: results of all tasks by key, how many of them were there before, errors by name."""

    results: dict[str, Any]
    n_known: int
    failed: dict[str, str]


def run_tasks(
    cluster: Cluster,
    function: Callable[[Any], Any],
    tasks: Sequence[Task],
    out: Path,
    *,
    command: str,
    settings: object = None,
    gpus: float = 0,
) -> Report:
    """Run `function(task.item)` for the tasks that are not done, and return the results of all.

    A result is JSON; the function has written its outputs into `out` when it returns. With other
    `settings` everything is done again. Errors are logged, by name.
    """
    keys = {task.key for task in tasks}
    if len(keys) < len(tasks):
        raise ParameterError("Two tasks must not write the same outputs; give streams distinct video ids.")
    same = json.dumps([chatlib.__version__, command, repr(settings)])
    made_of = {t.key: hashlib.blake2b((same + t.made_of).encode(), digest_size=16).hexdigest() for t in tasks}
    results = {key: record for key in keys if (record := _load_record(out, key, made_of[key])) is not None}
    n_known, failed = len(results), {}
    left = sorted((task for task in tasks if task.key not in results), key=lambda task: -task.size)
    items = ((function, str(out), made_of[task.key], task) for task in left)
    with progress_bar(total=len(tasks), initial=n_known, desc=command, unit="task") as bar:
        for ended in cluster.map(_work, items, gpus=gpus) if left else ():
            task = left[ended.place]
            if ended.error:
                failed[task.name] = ended.error
                log.warning("%s: %s", one_line(task.name), one_line(ended.error))
            else:
                results[task.key] = ended.result
            bar.update()
    return Report({task.key: results[task.key] for task in tasks if task.key in results}, n_known, failed)


def _work(work: tuple[Callable[[Any], Any], str, str, Task]) -> Any:
    function, out, made_of, task = work
    result = function(task.item)
    record = {"name": task.name, "made_of": made_of, "result": result}
    atomic_write(Path(out, _RECORDS, f"{task.key}.json"), json.dumps(record))
    return result


def _load_record(out: Path, key: str, made_of: str) -> Any:
    """Return the result of a task that is done, or None."""
    try:
        record = json.loads((out / _RECORDS / f"{key}.json").read_bytes())
        return record["result"] if record["made_of"] == made_of else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def prepare_output(out: str | Path, command: str) -> Path:
    """Return the folder of a command's outputs, its manifest taken back until they are whole again.

    Raises: ParameterError for a folder that holds something else.
    """
    path = Path(out).absolute()
    manifest = path / "manifest.json"
    own = f"chatlib scale {command}"
    if path.exists() and (not path.is_dir() or any(path.iterdir())) and not (path / _RECORDS).is_dir():
        raise ParameterError(
            f"The outputs need a folder of their own, and {path} holds other things. Name a new one."
        )
    if manifest.is_file() and (made := read_manifest(path).get("format", "something else")) != own:
        raise ParameterError(f"{path} holds the outputs of `{made}`. Name another folder.")
    (path / _RECORDS).mkdir(parents=True, exist_ok=True)
    manifest.unlink(missing_ok=True)
    return path


def write_manifest(out: Path, command: str, report: Report, **more: object) -> None:
    """Write what a command made, last: its existence says that nothing is left to do but what failed."""
    content = {
        "format": f"chatlib scale {command}",
        "version": 1,
        "made_by": f"chatlib {chatlib.__version__}",
        "tasks": len(report.results) + len(report.failed),
        "failed": report.failed,
        **more,
    }
    atomic_write(out / "manifest.json", json.dumps(content, indent=2, default=str) + "\n")


def read_manifest(out: Path) -> dict[str, Any]:
    """Return what a command wrote last into its folder, {} if it has not."""
    with suppress(OSError, ValueError):
        return dict(json.loads((out / "manifest.json").read_bytes()))
    return {}
