"""Functions that ask the environment: secrets, key-value pairs, files, logs, HTTP. Source: expressions, 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flows.expressions.arguments import bad_argument, boolean_argument, text_argument
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.library import register_function
from flows.expressions.limits import MAX_PRODUCED_BYTES, limit_error
from flows.expressions.scope import Render
from flows.primitives.errors import FlowsError, ForbiddenError, NotFoundError

MAX_READ_BYTES = MAX_PRODUCED_BYTES // 4
STEPS_PER_CALL = 100
STEPS_PER_REQUEST = 10_000


def _ask(render: Render, call: Callable[[], Any], *, not_found: str | None = None, cost: int = STEPS_PER_CALL) -> Any:
    """
    Call the environment and give its errors the kinds of the language; `not_found` replaces the text of that one.

    A call counts as many loop steps as `cost`, so that a loop cannot send requests without end.
    """
    render.budget.step(cost)
    try:
        return call()
    except ExpressionError:
        raise
    except NotFoundError as error:
        raise ExpressionError(Kind.NOT_FOUND, not_found or error.message) from error
    except ForbiddenError as error:
        raise ExpressionError(Kind.FORBIDDEN, error.message) from error
    except FlowsError as error:
        raise ExpressionError(Kind.BAD_VALUE, error.message) from error


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None else text_argument(name, value)


def _own_namespace(render: Render) -> str:
    """Return the namespace of the flow. Raises ExpressionError when no flow is at hand."""
    try:
        flow = render.variables["flow"]
        namespace = flow["namespace"] if isinstance(flow, Mapping) else None
    except KeyError:
        namespace = None
    if not isinstance(namespace, str):
        raise ExpressionError(Kind.UNAVAILABLE, "There is no flow here, so its namespace is not known. Name the namespace.")
    return namespace


@register_function("secret", "key", "namespace", "subkey", required=1)
def get_secret(render: Render, key: Any, namespace: Any = None, subkey: Any = None) -> str:
    """A secret of the namespace; it is masked in logs."""
    name, owner, part = text_argument("key", key), _optional_text("namespace", namespace), _optional_text("subkey", subkey)
    missing = f"Cannot find secret for key '{name}'."
    value: str = _ask(render, lambda: render.environment.secret(name, owner, part), not_found=missing)
    render.environment.mask(value)
    return value


@register_function("kv", "key", "namespace", "errorOnMissing", required=1)
def get_value(render: Render, key: Any, namespace: Any = None, error_on_missing: Any = None) -> Any:
    """A value of the key-value store; `??` may stand in for a missing key unless `errorOnMissing` is true."""
    name, owner = text_argument("key", key), _optional_text("namespace", namespace)
    is_required = error_on_missing is None or boolean_argument("errorOnMissing", error_on_missing)
    try:
        place = owner or _own_namespace(render)
    except ExpressionError:
        place = ""
    missing = f"The key '{name}' does not exist in the namespace '{place}'."
    try:
        return _ask(render, lambda: render.environment.kv(name, owner, is_required), not_found=missing)
    except ExpressionError as error:
        if error_on_missing is None and error.kind is Kind.NOT_FOUND:
            raise ExpressionError(Kind.UNDEFINED_VARIABLE, missing) from error
        raise


@register_function("read", "path", "namespace", required=1)
def read_file(render: Render, path: Any, namespace: Any = None) -> str:
    """The text of a namespace file or of a stored file."""
    name, owner = text_argument("path", path), _optional_text("namespace", namespace)
    size = _ask(render, lambda: render.environment.file_size(name, owner))
    if size > MAX_READ_BYTES:
        raise limit_error(f'The file "{name}" with {size} bytes', f"{MAX_READ_BYTES} bytes")
    render.budget.spend(size)
    content: bytes = _ask(render, lambda: render.environment.read_file(name, owner))
    return content.decode("utf-8", "replace")


@register_function("fileURI", "path", required=1)
def get_file_uri(render: Render, path: Any) -> str:
    """The address of a namespace file."""
    name = text_argument("path", path)
    if "../" in name or name.endswith("..") or "\\" in name:
        raise ExpressionError(Kind.FORBIDDEN, "Path must not contain '../'")
    return f"kestra:///{_own_namespace(render).replace('.', '/')}/_files/{name.removeprefix('/')}"


@register_function("fileSize", "path", "namespace", required=1)
def get_file_size(render: Render, path: Any, namespace: Any = None) -> int:
    """The size of a file in bytes."""
    name, owner = text_argument("path", path), _optional_text("namespace", namespace)
    return int(_ask(render, lambda: render.environment.file_size(name, owner)))


@register_function("fileExists", "path", "namespace", required=1)
def does_file_exist(render: Render, path: Any, namespace: Any = None) -> bool:
    """Whether a file exists."""
    name, owner = text_argument("path", path), _optional_text("namespace", namespace)
    return bool(_ask(render, lambda: render.environment.file_exists(name, owner)))


@register_function("isFileEmpty", "path", "namespace", required=1)
def is_file_empty(render: Render, path: Any, namespace: Any = None) -> bool:
    """Whether a file has no content."""
    return bool(get_file_size(render, path, namespace) == 0)


@register_function("errorLogs")
def list_error_logs(render: Render) -> list[Any]:
    """The ERROR log entries of the execution."""
    return list(_ask(render, render.environment.error_logs))


@register_function("http", "uri", "method", "query", "body", "contentType", "headers", "options", "accept", required=1)
def request_http(
    render: Render,
    uri: Any,
    method: Any = "GET",
    query: Any = None,
    body: Any = None,
    content_type: Any = None,
    headers: Any = None,
    options: Any = None,
    accept: Any = None,
) -> Any:
    """The parsed body of an HTTP response."""
    for name, value in (("query", query), ("headers", headers), ("options", options)):
        if value is not None and not isinstance(value, Mapping):
            raise bad_argument(f'The argument "{name}" must be a map.')
    request = {
        "uri": text_argument("uri", uri),
        "method": text_argument("method", method),
        "query": query,
        "body": body,
        "contentType": _optional_text("contentType", content_type),
        "headers": headers,
        "options": options,
        "accept": _optional_text("accept", accept),
    }
    return _ask(render, lambda: render.environment.http(request), cost=STEPS_PER_REQUEST)
