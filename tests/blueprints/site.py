"""A small web site in a thread that stands for all the services which blueprints talk to."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PRODUCTS = 7
RATES = "currency,rate\nUSD,1.1\n"


class Site:
    """
    A server on a free port of 127.0.0.1.

    Attributes:
        url: where it answers.
        posted: path and body of each POST, in order.
    """

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self._job_questions = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, query: dict[str, str], body: str, token: str) -> tuple[int, Any]:
        """Return the status and the answer of a request: text as it is, anything else as JSON."""
        if method == "POST":
            self.posted.append((path, body))
        match path.strip("/").split("/"):
            case ["products"]:
                rows = [{"id": number} for number in range(PRODUCTS)]
                skip = int(query["skip"])
                return 200, {"total": PRODUCTS, "products": rows[skip : skip + int(query["limit"])]}
            case ["names"]:
                page = int(query.get("page", "1"))
                following = f"{self.url}/names?page={page + 1}" if page < 3 else None
                return 200, {"results": [{"name": f"name{page}"}], "next": following}
            case ["jobs"]:
                return 200, {"id": "j1"}
            case ["jobs", _]:
                self._job_questions += 1
                return 200, {"state": "running" if self._job_questions < 3 else "done"}
            case ["jobs", _, "result"]:
                return 200, "month,total\n2031-01,5\n"
            case ["oauth", "token"]:
                return (200, {"access_token": "t0ken"}) if "client_secret" in body and "open-sesame" in body else (401, {})
            case ["account"]:
                return (200, {"owner": "Ada"}) if token == "Bearer t0ken" else (401, {})
            case ["customers", _]:
                return 200, {}
            case ["latest"]:
                return 200, {"rates": {"USD": 1.5, "GBP": 0.5}}
            case ["rates.csv"]:
                return 200, RATES
            case ["well" | "hook"]:
                return 200, {}
        return 503, "out of order"


def _handler_for(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Keep the output of the test quiet."""

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            token = self.headers.get("Authorization", "")
            status, found = site.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body, token)
            content = (found if isinstance(found, str) else json.dumps(found)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _handle

    return Handler
