"""Chat files read ahead in a process of their own, while this one writes the database.

The process speaks frames of marshal over its pipes. It starts only when there is enough to
read, never sees Ctrl-C, and ends by itself when its input does: also when we were killed.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import marshal
import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from chatlib.collect.files.formats import Chat, read_chat
from chatlib.errors import SourceError, UnknownFormat
from chatlib.records import Stream

__all__ = ["Outcome", "Task", "digest_content", "iter_outcomes", "read_task", "serve"]

READER_VERSION = 2  # add one when a reader reads the same bytes differently
MIN_BYTES = 2_000_000  # below this, reading is over before a process has started
READ_AHEAD = 2  # files that wait, read, for being written
COMMAND = (sys.executable, "-P", "-c", "from chatlib.collect.files.reading import serve; serve()")
_LENGTH = struct.Struct("<Q")


class Task(NamedTuple):
    """A file to read, and what the list of streams says of it."""

    path: str
    row: Mapping[str, str]


class Outcome(NamedTuple):
    """What reading a file gave: its chat, or why there is none. `content` is its digest."""

    content: str
    chat: Chat | None
    error: str
    unknown: bool = False  # the format, not the content, is what was wrong

    def as_error(self, path: Path) -> SourceError:
        """Return the error to raise when this file was all that was asked for."""
        return (UnknownFormat if self.unknown else SourceError)(f"{path}: {self.error}")


def digest_content(data: bytes, *, name: str, row: Mapping[str, str]) -> str:
    """Return what identifies a file's content: its bytes, its name, what the list says, the reader."""
    hasher = hashlib.blake2b(data, digest_size=16)
    hasher.update(json.dumps([READER_VERSION, name, dict(row)], sort_keys=True).encode())
    return hasher.hexdigest()


def read_task(task: Task) -> Outcome:
    """Read one file. Whatever goes wrong with it is an outcome, so that the others go on."""
    path = Path(task.path)
    try:
        data = path.read_bytes()
        content = digest_content(data, name=path.name, row=task.row)
        return Outcome(content, read_chat(data, file_name=path.name, row=task.row), "")
    except SourceError as error:
        return Outcome("", None, str(error), isinstance(error, UnknownFormat))
    except OSError as error:
        return Outcome("", None, f"A chat file must be readable, and this one is not ({error.strerror}).")
    except Exception as error:
        return Outcome("", None, f"The reader failed on this file ({type(error).__name__}: {error}).")


def iter_outcomes(tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Yield the outcome of each task, in order; read ahead in another process where that pays."""
    n_bytes = sum(_size_of(task.path) for task in tasks)
    if len(tasks) < 2 or n_bytes < MIN_BYTES or (os.cpu_count() or 1) < 2 or not sys.executable:
        yield from map(read_task, tasks)
        return
    try:
        reader = _Reader(tasks)
    except OSError:  # no process to be had
        yield from map(read_task, tasks)
        return
    try:
        yield from reader.iter_outcomes()
    finally:
        reader.close()


def _size_of(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


class _Reader:
    """A thread that hands tasks to the process, one by one, and keeps what comes back."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._frames: queue.Queue[bytes] = queue.Queue(READ_AHEAD)
        self._process = _start()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for task in self._tasks:
            if self._stopped.is_set():
                return
            frame = self._exchange(task)
            while not self._stopped.is_set():
                try:
                    self._frames.put(frame, timeout=0.2)
                    break
                except queue.Full:
                    continue

    def _exchange(self, task: Task) -> bytes:
        """Return the frame that answers a task, or none (b"") if the process died of it."""
        try:
            _write_frame(self._process.stdin, marshal.dumps((task.path, dict(task.row))))
            frame = _read_frame(self._process.stdout)
        except Exception:  # the pipe broke, or memory did; whoever waits for the frame must get one
            frame = b""
        if not frame and not self._stopped.is_set():
            _end(self._process)
            with contextlib.suppress(OSError):  # without a process every task fails, and is reported
                self._process = _start()
        return frame

    def iter_outcomes(self) -> Iterator[Outcome]:
        """Yield what became of each file, in the order they were given."""
        for _ in self._tasks:
            frame = self._frames.get()
            if not frame:
                yield Outcome("", None, "The reader's process ended on this file; is it far too large?")
                continue
            content, chat, *error = marshal.loads(frame)
            if chat is not None:
                name, stream, rows, skipped = chat
                chat = Chat(name, Stream._make(stream), rows, skipped)
            yield Outcome(content, chat, *error)

    def close(self) -> None:
        """End the reader, whatever it is doing."""
        self._stopped.set()
        self._process.kill()
        self._thread.join()
        _end(self._process)


def _start() -> subprocess.Popen:
    here = str(Path(__file__).resolve().parents[3])
    paths = [here, os.environ.get("PYTHONPATH")]
    return subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        start_new_session=True,  # Ctrl-C is for us
    )


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            pipe.close()


def _write_frame(stream: BinaryIO, frame: bytes) -> None:
    stream.write(_LENGTH.pack(len(frame)))
    stream.write(frame)
    stream.flush()


def _read_frame(stream: BinaryIO) -> bytes:
    """Return the next frame, or b"" at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return b""
    (length,) = _LENGTH.unpack(head)
    frame = stream.read(length)
    return frame if len(frame) == length else b""


def serve() -> None:
    """Read tasks from standard input and answer on standard output, until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr  # nothing may come between the frames
    gc.disable()
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        while frame := _read_frame(sys.stdin.buffer):
            outcome = read_task(Task(*marshal.loads(frame)))
            chat = outcome.chat
            plain = chat and (chat.format, tuple(chat.stream), chat.rows, dict(chat.skipped))
            _write_frame(answers, marshal.dumps((outcome.content, plain, *outcome[2:])))
    os._exit(0)
