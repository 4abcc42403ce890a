"""Another installation behind its REST API: requests, uploads, and its answers and errors as if they were our own."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from flows.management.terminal import ServerUnreachableError
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.problems import Problem
from flows.queries.criteria import Criteria
from flows.queries.pages import Window

Query = Sequence[tuple[str, Any]]

ANSWER_SECONDS = 60.0
ROWS_PER_PAGE = 1000
_SPOOL_BYTES = 8 * 1024 * 1024
_PREFIX = re.compile(r"^(?:Not Found|Illegal state|Invalid entity|Invalid query filters): ")
_ILLEGAL = "Illegal state: "
_FOREIGN_CODES = frozenset({"foreign-file"})


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a form."""

    name: str
    stream: IO[bytes]


class _SameServerRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects within one server only: our credentials are meant for nobody else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise ServerUnreachableError(f"{old.scheme}://{old.netloc} sends us on to {newurl}: name that server with --remote.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def basic_credentials(user: str, password: str) -> str:
    """Return the header value for a user and a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Server:
    """
    The REST API of one installation and tenant.

    Every method raises the error that our own operation would raise (NotFoundError, ConflictError, InvalidError, ForbiddenError),
    and ServerUnreachableError when nobody answers or the server cannot work.
    """

    def __init__(self, url: str, *, tenant: str, authorization: str) -> None:
        self._url = url.rstrip("/")
        self._tenant = tenant
        self._authorization = authorization
        self._opener = urllib.request.build_opener(_SameServerRedirects())

    def get(self, *parts: str, query: Query = (), of_tenant: bool = True) -> Any:
        """Return the JSON at an address below the tenant, or below the API itself."""
        return self._read_json(self._request("GET", parts, query, of_tenant))

    def send(
        self,
        method: str,
        *parts: str,
        query: Query = (),
        body: Any = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        of_tenant: bool = True,
    ) -> Any:
        """Send JSON, or a YAML text, and return the JSON of the answer; None for an empty one."""
        request = self._request(method, parts, query, of_tenant)
        for name, value in (headers or {}).items():
            if not value.isascii() or not value.isprintable():
                raise InvalidError(f'The API takes the {name} in plain ASCII letters only; got "{value[:60]}".', code="header")
            request.add_header(name, value)
        if text is not None:
            request.data = text.encode()
            request.add_header("Content-Type", request.get_header("Content-type") or "application/x-yaml")
        elif body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        return self._read_json(request)

    def send_form(self, *parts: str, query: Query = (), fields: Query = (), files: Mapping[str, Upload] | None = None) -> Any:
        """Send a form with POST, its files piece by piece, and return the JSON of the answer."""
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as body:
            boundary = _write_form(body, fields, files or {})
            size = body.tell()
            body.seek(0)
            request = self._request("POST", parts, query, True)
            request.data = body
            request.add_header("Content-Length", str(size))
            request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
            return self._read_json(request)

    def open(self, *parts: str, query: Query = ()) -> Any:
        """Return the stream of a file; the caller closes it."""
        return self._open(self._request("GET", parts, query, True))

    def search(self, *parts: str, criteria: Criteria, window: Window, query: Query = ()) -> list[Any]:
        """Return the rows of one page of a search."""
        wanted = [*write_criteria(criteria), ("page", window.page), ("size", window.size), *query]
        wanted += [("sort", f"{name}:{direction}") for name, direction in window.sort]
        return list(self.get(*parts, query=wanted)["results"])

    def list_all(self, *parts: str, criteria: Criteria | None = None, sort: str = "") -> Iterator[Any]:
        """Yield the rows of all pages of a search."""
        order = ((sort, "asc"),) if sort else ()
        page = 1
        while True:
            rows = self.search(*parts, criteria=criteria or Criteria(), window=Window(page, ROWS_PER_PAGE, order))
            yield from rows
            if len(rows) < ROWS_PER_PAGE:
                return
            page += 1

    def _request(self, method: str, parts: Iterable[str], query: Query, of_tenant: bool) -> urllib.request.Request:
        path = "/".join(quote(part, safe="") for part in ([self._tenant, *parts] if of_tenant else parts))
        address = f"{self._url}/api/v1/{path}"
        if query:
            address += "?" + urlencode([(name, _write_value(value)) for name, value in query])
        headers = {"Authorization": self._authorization, "Accept": "application/json, */*", "User-Agent": "celestra-cli"}
        return urllib.request.Request(address, method=method, headers=headers)  # noqa: S310 (the scheme was checked)

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            return self._opener.open(request, timeout=ANSWER_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                self._raise(error.code, error.read().decode("utf-8", "replace"))
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ServerUnreachableError(
                f"{self._url} is out of reach: {reason}. Is it running, and is that its address?"
            ) from error

    def _read_json(self, request: urllib.request.Request) -> Any:
        with closing(self._open(request)) as answer:
            try:
                text = answer.read().decode()
                return json.loads(text) if text.strip() else None
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise ServerUnreachableError(
                    f"{self._url} gave an answer that cannot be read ({error}): is that the address of Celestra?"
                ) from error

    def _raise(self, status: int, text: str) -> NoReturn:
        try:
            body = json.loads(text)
        except ValueError:
            body = {}
        body = body if isinstance(body, dict) else {}
        message = str(body.get("message") or f"{self._url} answered with HTTP {status}.")
        raise _make_error(status, message, str(body.get("code") or "remote"), body)


def _make_error(status: int, message: str, code: str, body: Mapping[str, Any]) -> FlowsError:
    plain = _PREFIX.sub("", message)
    if status in (401, 403) or code in _FOREIGN_CODES:
        return ForbiddenError(plain, code=code)
    if status in (404, 410):
        return NotFoundError(plain, code=code)
    if status == 409 or message.startswith(_ILLEGAL):
        return ConflictError(plain, code=code)
    if status >= 500 or status == 429:
        return ServerUnreachableError(plain, code=code)
    embedded = body.get("_embedded")
    found = embedded.get("errors") if isinstance(embedded, dict) else None
    problems = [Problem(str(each.get("code") or code), str(each.get("message", ""))) for each in found or ()]
    return InvalidError(plain, code=code, problems=problems)


def write_criteria(criteria: Criteria) -> list[tuple[str, str]]:
    """Return the filters of a selection as query values. Commands join their conditions by `and` only."""
    return [
        (f"filters[{each.field}][{each.operation}]" + (f"[{each.key}]" if each.key else ""), each.value)
        for each in criteria.conditions()
    ]


def _write_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_form(body: Any, fields: Query, files: Mapping[str, Upload]) -> str:
    boundary = f"celestra-{secrets.token_hex(16)}"
    for name, value in fields:
        body.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{_quote(name)}"\r\n\r\n'.encode())
        body.write(f"{_write_value(value)}\r\n".encode())
    for name, upload in files.items():
        head = f'Content-Disposition: form-data; name="{_quote(name)}"; filename="{_quote(upload.name)}"'
        body.write(f"--{boundary}\r\n{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode())
        shutil.copyfileobj(upload.stream, body)
        body.write(b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())
    return boundary


def _quote(name: str) -> str:
    return name.replace("\\", "_").replace('"', "%22").replace("\r", "").replace("\n", "")
