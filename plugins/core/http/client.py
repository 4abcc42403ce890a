"""Sending one request: client, headers, body, redirects, kill. Answers are read by the tasks."""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from ssl import SSLContext
from threading import Lock
from typing import Any

import httpx

from flows.plugin_api.context import RunContext
from flows.plugin_api.egress import MAX_REDIRECTS, EgressError, EgressPolicy, GuardedTransport
from flows.plugin_api.splitting import copy_to_temporary
from flows.plugin_api.tasks import RecordedMetric, TaskFailure
from plugins.core.http.options import ClientSettings, RequestProperties, join_options

_HIDDEN_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})
_LONGEST_EXCERPT = 500
LENGTH_METRIC = RecordedMetric("response.length", "counter", "The length of the answer, when the server announced it.", "bytes")


class Sender:
    """Sends requests and can be stopped from another thread: the socket under the running request is shut down."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Break the running request, and refuse any later one. Idempotent."""
        with self._lock:
            self._is_stopped = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        with self._lock:
            self._socket = info["return_value"].get_extra_info("socket")
        if self._is_stopped:
            self.stop()

    @contextmanager
    def send(self, context: RunContext, props: RequestProperties) -> Iterator[httpx.Response]:
        """
        Send a request and give the answer, whose body is not read yet.

        Raises:
            TaskFailure: the address, connection, redirects or certificate is wrong, or it took too long.
            EgressError: the address may not be reached.
        """
        if self._is_stopped:
            raise TaskFailure("The request was killed before it began.")
        url = _read_url(props)
        settings = join_options(props)
        try:
            with ExitStack() as open_files:
                client = open_files.enter_context(_make_client(context, settings))
                request = client.build_request(
                    props.method,
                    url,
                    headers=_headers_of(props),
                    extensions={"trace": self._watch},
                    **_body_of(context, props, open_files),
                )
                if settings.bearer_token is not None:
                    request.headers["Authorization"] = f"Bearer {settings.bearer_token}"
                _log_request(context, props, request)
                response = client.send(
                    request,
                    stream=True,
                    auth=settings.basic_auth or httpx.USE_CLIENT_DEFAULT,
                    follow_redirects=props.options.follow_redirects,
                )
                open_files.callback(response.close)
                yield response
        except httpx.TooManyRedirects:
            raise TaskFailure(f"{_name(props, url)} was redirected more than {MAX_REDIRECTS} times.") from None
        except httpx.TimeoutException as error:
            raise TaskFailure(f"{_name(props, url)} took too long: {_reason(error)}.") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            reason = "it was killed" if self._is_stopped else _reason(error)
            raise TaskFailure(f"{_name(props, url)} failed: {reason}.") from error


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _name(props: RequestProperties, url: httpx.URL) -> str:
    return f"{props.method} {shown_url(url)}"


def shown_url(url: httpx.URL) -> str:
    """Return an address without a password in it, for logs and outputs."""
    return str(url.copy_with(username="", password="")) if url.userinfo else str(url)


def _read_url(props: RequestProperties) -> httpx.URL:
    try:
        url = httpx.URL(props.uri.strip())
    except (httpx.InvalidURL, UnicodeError, TypeError) as error:
        raise TaskFailure(f'"uri" is no web address: {error}; got "{props.uri[:200]}".', permanent=True) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise TaskFailure(f'"uri" must be an absolute http or https address; got "{shown_url(url)[:200]}".', permanent=True)
    params = [(key, str(item)) for key, value in (props.params or {}).items() for item in _listed(value)]
    return url.copy_merge_params(httpx.QueryParams([*params])) if params else url


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [_plain(item) for item in value if item is not None]
    return [] if value is None else [_plain(value)]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@lru_cache(maxsize=1)
def _trusted_certificates() -> SSLContext:
    return httpx.create_ssl_context()


def _make_client(context: RunContext, settings: ClientSettings) -> httpx.Client:
    policy = EgressPolicy(
        deny_private=bool(context.config("http.deny-private", False)),
        allowed_hosts=frozenset(str(host).lower() for host in context.config("http.allowed-hosts", ())),
    )
    remaining = None if context.deadline is None else max(0.01, context.deadline - time.monotonic())
    read = settings.read_seconds if remaining is None else min(settings.read_seconds, remaining)
    verify: SSLContext | bool = False if settings.is_trusting else _trusted_certificates()
    try:
        proxy = httpx.Proxy(settings.proxy_url, auth=settings.proxy_auth) if settings.proxy_url else None
        transport = GuardedTransport(policy, verify=verify, proxy=proxy)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise TaskFailure(f"The proxy cannot be used: {error}.", permanent=True) from error
    return httpx.Client(
        transport=transport,
        timeout=httpx.Timeout(read, connect=settings.connect_seconds),
        max_redirects=MAX_REDIRECTS,
        headers={"User-Agent": "celestra"},
    )


def _headers_of(props: RequestProperties) -> list[tuple[str, str]]:
    headers = [(key, item) for key, value in (props.headers or {}).items() for item in _listed(value)]
    present = {key.lower() for key, _ in headers}
    if _is_multipart(props) or "content-type" in present:
        return [(key, value) for key, value in headers if not (_is_multipart(props) and key.lower() == "content-type")]
    if props.content_type is not None:
        headers.append(("Content-Type", props.content_type))
    elif props.body is not None and props.form_data is None:
        headers.append(("Content-Type", "application/json"))
    return headers


def _is_multipart(props: RequestProperties) -> bool:
    return props.form_data is not None and (props.content_type or "").lower().startswith("multipart/form-data")


def _body_of(context: RunContext, props: RequestProperties, open_files: ExitStack) -> dict[str, Any]:
    """Return the body as arguments of httpx; stored files are opened and closed with `open_files`."""
    if props.form_data is None:
        return {"content": props.body.encode()} if props.body is not None else {}
    if not _is_multipart(props):
        return {"data": {key: _listed(value) for key, value in props.form_data.items()}}
    return {
        "files": [(key, _part_of(context, key, value, open_files)) for key, value in props.form_data.items() if value is not None]
    }


def _part_of(context: RunContext, key: str, value: Any, open_files: ExitStack) -> tuple[str | None, Any]:
    if isinstance(value, str) and value.startswith("kestra://"):
        return secrets.token_hex(8), _open_copy(context, value, open_files)
    if isinstance(value, Mapping) and {"name", "content"} <= value.keys():
        content = value["content"]
        if not isinstance(content, str) or not content.startswith("kestra://"):
            raise TaskFailure(f'The "content" of form field "{key}" must be the address of a stored file.', permanent=True)
        return str(value["name"]), _open_copy(context, content, open_files)
    return None, _plain(value)


def _open_copy(context: RunContext, uri: str, open_files: ExitStack) -> Any:
    """Open a stored file as a local copy: its length must be known before it is sent."""
    with context.storage.open(uri) as source:
        return open_files.enter_context(copy_to_temporary(source))


def _log_request(context: RunContext, props: RequestProperties, request: httpx.Request) -> None:
    if "REQUEST_HEADERS" in props.options.logs:
        context.log.info(f"{_name(props, request.url)}\n{_shown_headers(request.headers)}")
    if "REQUEST_BODY" in props.options.logs and props.body is not None:
        context.log.info(props.body)


def log_response_headers(context: RunContext, props: RequestProperties, response: httpx.Response) -> None:
    """Write the headers of the answer to the log when the options ask for it; credentials are hidden."""
    if "RESPONSE_HEADERS" in props.options.logs:
        context.log.info(f"{response.status_code}\n{_shown_headers(response.headers)}")


def _shown_headers(headers: httpx.Headers) -> str:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw]
    return "\n".join(f"{name}: {'******' if name.lower() in _HIDDEN_HEADERS else value}" for name, value in pairs)


def collect_headers(response: httpx.Response) -> dict[str, list[str]]:
    """Return the headers of an answer, names as received, every value in a list."""
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in response.headers.raw:
        found.setdefault(raw_name.decode("latin-1"), []).append(raw_value.decode("latin-1"))
    return found


def check_status(props: RequestProperties, response: httpx.Response, *, allow_failed: bool, excerpt: str = "") -> None:
    """Raise TaskFailure for a status that is not allowed."""
    code = response.status_code
    allowed = props.options.allowed_response_codes
    if (code in allowed) if allowed else (code < 400 or allow_failed or props.options.allow_failed):
        return
    text = f": {excerpt[:_LONGEST_EXCERPT]}" if excerpt else ""
    raise TaskFailure(f"{_name(props, response.request.url)} answered with status {code}{text}")


def count_length(context: RunContext, props: RequestProperties, response: httpx.Response) -> None:
    """Record the length of the answer when it was announced."""
    if (length := response.headers.get("content-length", "")).isdigit():
        tags = {"request.method": props.method, "response.code": str(response.status_code)}
        context.metrics.counter("response.length", int(length), **tags)


__all__ = [
    "LENGTH_METRIC",
    "EgressError",
    "Sender",
    "check_status",
    "collect_headers",
    "count_length",
    "log_response_headers",
    "shown_url",
]
