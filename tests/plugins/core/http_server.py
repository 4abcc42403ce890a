"""A real HTTP server in a thread, for the HTTP tasks: it records requests and answers as the path says."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Recorded:
    """One request that came."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class LocalServer:
    """A server on a free port of 127.0.0.1. `release` lets `/slow` answer."""

    requests: list[Recorded] = field(default_factory=list)
    release: Event = field(default_factory=Event)
    reached: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        # A client that was killed leaves a broken connection behind; that is what some tests are about.
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_for(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Keep the test output quiet."""

        def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.requests.append(Recorded(self.command, parts.path, parse_qsl(parts.query), dict(self.headers), body))
            getattr(self, f"serve_{parts.path.strip('/').split('/')[0] or 'echo'}", self.serve_missing)(parts.path, body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = handle_one

        def serve_echo(self, path: str, body: bytes) -> None:
            self.answer(200, json.dumps({"method": self.command, "body": body.decode("latin-1")}).encode(), X_Seen="yes")

        def serve_missing(self, path: str, body: bytes) -> None:
            self.answer(404, b"nothing here")

        def serve_empty(self, path: str, body: bytes) -> None:
            self.answer(200)

        def serve_latin(self, path: str, body: bytes) -> None:
            named = path.endswith("named")
            self.answer(200, "é".encode("latin-1"), **({"Content_Type": "text/plain; charset=ISO-8859-1"} if named else {}))

        def serve_large(self, path: str, body: bytes) -> None:
            self.answer(200, b"x" * 100_000)

        def serve_gzip(self, path: str, body: bytes) -> None:
            self.answer(200, gzip.compress(b"unpacked"), Content_Encoding="gzip")

        def serve_file(self, path: str, body: bytes) -> None:
            self.answer(200, b"1,2", Content_Disposition="attachment; filename=\"plain.csv\"; filename*=UTF-8''a%20b.csv")

        def serve_short(self, path: str, body: bytes) -> None:
            self.answer(200, b"12", Content_Length="5")
            self.close_connection = True

        def serve_redirect(self, path: str, body: bytes) -> None:
            host = path.rsplit("/", 1)[-1]
            self.answer(302, Location=f"http://{host}:{server.port}/echo" if "." in host or host == "localhost" else "/echo")

        def serve_loop(self, path: str, body: bytes) -> None:
            self.answer(302, Location="/loop")

        def serve_elsewhere(self, path: str, body: bytes) -> None:
            self.answer(302, Location={"file": "file:///etc/passwd", "meta": "http://169.254.169.254/x"}[path.rsplit("/", 1)[-1]])

        def serve_slow(self, path: str, body: bytes) -> None:
            server.reached.set()
            server.release.wait(20)
            self.close_connection = True

        def serve_login(self, path: str, body: bytes) -> None:
            self.answer(200, (self.headers.get("Authorization") or "none").encode())

    return Handler
