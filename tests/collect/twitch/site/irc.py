"""A Twitch chat server on loopback: TLS, and a script of what it does on each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path

import trustme

_AUTHORITY = trustme.CA()


def client_context() -> ssl.SSLContext:
    """Return a client's context that trusts the server."""
    context = ssl.create_default_context()
    _AUTHORITY.configure_trust(context)
    return context


class FakeIrc:
    """The server. `scripts` has one list of steps a connection; the last one serves all later ones.

    A step is bytes to send, seconds or an event to wait for, "close", or "hold" until the end. What is to
    be said goes to all connections that joined, of which there were `n_joined` so far.
    """

    def __init__(self, *scripts: list) -> None:
        self.scripts = list(scripts)
        self.heard: list[str] = []  # lines from clients
        self._done = threading.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _AUTHORITY.issue_cert("irc.chat.twitch.tv").configure_cert(self._context)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = self._server.getsockname()
        self.n_connections = self.n_joined = 0
        self._joined: list[ssl.SSLSocket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FakeIrc:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the server and all connections."""
        self._done.set()
        self._server.close()
        self.drop()

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                plain, _ = self._server.accept()
            except OSError:
                return
            script = self.scripts[min(self.n_connections, len(self.scripts) - 1)]
            self.n_connections += 1
            threading.Thread(target=self._serve, args=(plain, script), daemon=True).start()

    def _serve(self, plain: socket.socket, script: list) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            said = b""
            while b"JOIN" not in said:
                data = connection.recv(4096)
                if not data:
                    return
                said += data
            self.heard += said.decode().splitlines()
            with self._lock:
                self._joined.append(connection)
                self.n_joined += 1
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()
            for step in script:
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif isinstance(step, (int, float)):
                    time.sleep(step)
                elif isinstance(step, threading.Event):
                    step.wait()
                elif step == "hold":
                    self._done.wait()
                else:
                    connection.shutdown(socket.SHUT_RDWR)  # a thread still listens

    def _listen(self, connection: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := connection.recv(4096):
                self.heard += data.decode().splitlines()

    def say(self, lines: bytes) -> bool:
        """Send lines to all who joined; return whether anybody was there. From any thread."""
        with self._lock:
            for connection in list(self._joined):
                try:
                    connection.sendall(lines)
                except OSError:
                    self._joined.remove(connection)
            return bool(self._joined)

    def drop(self) -> None:
        """Break all connections."""
        with self._lock:
            for connection in self._joined:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._joined.clear()


def make_privmsg(
    number: int, text: str, *, author: int = 1, sent_us: int | None = None, **tags: object
) -> bytes:
    """Return a message's line; tags with `-` in their names are given with `_`."""
    stamp = (sent_us or time.time_ns() // 1000) // 1000
    facts = {"id": f"m{number}", "user-id": author, "display-name": f"Viewer{author}", "tmi-sent-ts": stamp,
             "room-id": 9, **{name.replace("_", "-"): value for name, value in tags.items()}}  # fmt: skip
    written = ";".join(f"{name}={_escape(str(value))}" for name, value in facts.items())
    who = f"viewer{author}!viewer{author}@viewer{author}.tmi.twitch.tv"
    return f"@{written} :{who} PRIVMSG #sample :{text}\r\n".encode()


def make_notice(number: int, kind: str, sentence: str, text: str = "", **tags: object) -> bytes:
    """Return the line of an event: a subscription, a gift, a raid."""
    line = make_privmsg(number, text, msg_id=kind, system_msg=sentence, login="viewer1", **tags).decode()
    head, _, _ = line.partition(" :viewer")
    return f"{head} :tmi.twitch.tv USERNOTICE #sample{' :' + text if text else ''}\r\n".encode()


def _escape(value: str) -> str:
    for plain, written in (("\\", "\\\\"), (";", "\\:"), (" ", "\\s"), ("\r", "\\r"), ("\n", "\\n")):
        value = value.replace(plain, written)
    return value


def write_authority(path: Path) -> None:
    """Append the server's certificate authority to a file of trusted ones."""
    with path.open("ab") as file:
        file.write(_AUTHORITY.cert_pem.bytes())
