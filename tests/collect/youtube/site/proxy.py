"""An HTTP proxy on loopback that answers by itself, in TLS, for the hosts it plays."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.collect.youtube.site.wire import Entry, Reply, Request, split_target

HOSTS = frozenset({
    "consent.youtube.com", "gql.twitch.tv", "www.youtube.com", "youtube.googleapis.com",
})  # fmt: skip


class Proxy(ThreadingHTTPServer):
    """Listens once started; every connection is a thread, and `close` ends them all."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, answer: Callable[[Request], Reply], note: Callable[[Entry], None], context: ssl.SSLContext
    ) -> None:
        self.answer, self.note, self.context = answer, note, context
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self._loop = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="fake-youtube", daemon=True
        )
        self._loop.start()

    def hold(self, connection: socket.socket) -> None:
        """Remember the socket that the current thread serves."""
        with self._lock:
            self._open[threading.current_thread()] = connection

    def release(self) -> None:
        """Forget the current thread's socket."""
        with self._lock:
            self._open.pop(threading.current_thread(), None)

    def close(self) -> None:
        """Stop listening, break what is open, and wait for the threads."""
        self.closing.set()
        self.shutdown()
        self._loop.join()
        with self._lock:
            held = dict(self._open)
        for connection in held.values():
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in held:
            thread.join(5)
        self.server_close()


class _Tunnel(BaseHTTPRequestHandler):
    """One connection: first to the proxy, then, after CONNECT, to the host that is played."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy
    host = ""

    def setup(self) -> None:
        super().setup()
        self.server.hold(self.connection)

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the client went away, or `close` broke the line
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        with contextlib.suppress(OSError):
            self.connection.close()
        self.server.release()

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0].lower()
        if host not in HOSTS:
            self.server.note(Entry(time.time(), "CONNECT", host, "", None, 502))
            self._send(Reply(b"This host is not played here.", 502, "text/plain"))
            self.close_connection = True
            return
        self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.rfile.close()
        try:
            self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        except OSError:
            self.server.note(Entry(time.time(), "CONNECT", host, "", None, 0))
            raise
        self.server.hold(self.connection)
        self.rfile = self.connection.makefile("rb")
        self.host, self.close_connection = host, False

    def _serve(self) -> None:
        path, query = split_target(self.path)
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._read_body(length) if length else b""
        self._send(self.server.answer(Request(self.command, self.host, path, query, headers, body)))

    def _read_body(self, length: int) -> bytes:
        """Read what follows the head. Through a proxy, urllib3 lets the body wait until we acknowledge."""
        if hasattr(socket, "TCP_QUICKACK"):
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self.rfile.read(length)

    do_GET = do_POST = do_HEAD = do_OPTIONS = _serve

    def _send(self, reply: Reply) -> None:
        lines = [
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
            *(f"{name}: {value}" for name, value in reply.headers),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = b"" if self.command == "HEAD" else reply.body
        if reply.drop:
            self.close_connection = True
            self._drop(reply, head, body)
        else:
            self.connection.sendall(head + body)

    def _drop(self, reply: Reply, head: bytes, body: bytes) -> None:
        """Send less than a whole answer, or send it too slowly."""
        if reply.drop == "reset":
            linger = struct.pack("ii", 1, 0)  # closing then sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif reply.drop == "cut":
            self.connection.sendall(head + body[: len(body) // 2])
        elif reply.drop == "trickle":
            ends = time.monotonic() + reply.stall_s
            self.connection.sendall(head)
            while body and time.monotonic() < ends and not self.server.closing.wait(0.05):
                self.connection.sendall(body[:8])
                body = body[8:]
        else:
            self.connection.sendall(b"" if reply.drop == "hang" else head)
            self.server.closing.wait(reply.stall_s)

    def log_message(self, format: str, *args: object) -> None:
        """The log is kept by the server."""
