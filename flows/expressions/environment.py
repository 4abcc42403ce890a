"""What functions need from outside a template: secrets, values, files, the clock. A dict-backed form for tests and previews."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from flows.expressions.errors import ExpressionError, Kind


class Environment(Protocol):
    """
    What the platform gives to expressions. `namespace` None always means the flow's own namespace.

    A method raises `flows.primitives.errors.NotFoundError` or `ForbiddenError` (or an ExpressionError of its own) when it
    cannot answer; the functions turn these into ExpressionError of kind not_found and forbidden.
    """

    zone: str
    """Server time zone as a region id or offset, for instance `UTC`."""
    locale: str
    """Server locale, for instance `en`."""
    recursive: bool
    """Whether every result is rendered again until it is stable; `render()` is not available then."""

    def secret(self, key: str, namespace: str | None, subkey: str | None) -> str:
        """Return a secret, or the field `subkey` of a secret that is JSON (see `pick_secret_field`)."""

    def kv(self, key: str, namespace: str | None, error_on_missing: bool) -> Any:
        """Return a stored value with its type; None when it is missing and that is allowed."""

    def read_file(self, path: str, namespace: str | None) -> bytes:
        """Return the content of a namespace file or of a `kestra:///` address, after checking that it may be read."""

    def file_size(self, path: str, namespace: str | None) -> int: ...
    def file_exists(self, path: str, namespace: str | None) -> bool: ...

    def error_logs(self) -> list[dict[str, Any]]:
        """Return the ERROR log entries of the execution, oldest first."""

    def http(self, request: Mapping[str, Any]) -> Any:
        """
        Send a request and return the parsed body.

        `request` has `uri`, `method`, `query`, `body`, `contentType`, `headers`, `options`, `accept`; absent ones are None.
        """

    def now(self) -> datetime:
        """Return the current moment, aware."""

    def mask(self, text: str) -> None:
        """Hide a secret in everything that is logged from now on."""


class StaticEnvironment:
    """
    An environment whose content is given beforehand; nothing is fetched.

    `secrets` maps a name to a text, `kv` a namespace to its keys and values, `files` a namespace path or address to its
    content, `namespace` names the flow's own namespace. What was not given cannot be used: asking for it raises
    ExpressionError of kind unavailable. Masked texts are collected in `masked`.
    """

    def __init__(
        self,
        *,
        secrets: Mapping[str, str] | None = None,
        kv: Mapping[str, Mapping[str, Any]] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        error_logs: Sequence[Mapping[str, Any]] | None = None,
        namespace: str = "",
        now: datetime | None = None,
        zone: str = "UTC",
        locale: str = "en",
        recursive: bool = False,
    ) -> None:
        self.zone = zone
        self.locale = locale
        self.recursive = recursive
        self.masked: list[str] = []
        self._secrets = secrets
        self._kv = kv
        self._files = files
        self._error_logs = error_logs
        self._namespace = namespace
        self._now = now

    def secret(self, key: str, namespace: str | None, subkey: str | None) -> str:
        """Return a secret given beforehand; `namespace` is not looked at."""
        secrets = _require(self._secrets, "Secrets")
        if key not in secrets:
            raise ExpressionError(Kind.NOT_FOUND, f"Cannot find secret for key '{key}'.")
        return pick_secret_field(key, secrets[key], subkey)

    def kv(self, key: str, namespace: str | None, error_on_missing: bool) -> Any:
        """Return a value given beforehand."""
        place = namespace or self._namespace
        values = _require(self._kv, "Key-value pairs").get(place, {})
        if key in values:
            return values[key]
        if error_on_missing:
            raise ExpressionError(Kind.NOT_FOUND, f"The key '{key}' does not exist in the namespace '{place}'.")
        return None

    def read_file(self, path: str, namespace: str | None) -> bytes:
        """Return the content of a file given beforehand."""
        content = _require(self._files, "Files").get(path)
        if content is None:
            raise ExpressionError(Kind.NOT_FOUND, f"The file '{path}' does not exist. Check its path or address.")
        return content.encode() if isinstance(content, str) else content

    def file_size(self, path: str, namespace: str | None) -> int:
        """Return the size in bytes of a file given beforehand."""
        return len(self.read_file(path, namespace))

    def file_exists(self, path: str, namespace: str | None) -> bool:
        """Return whether the file was given beforehand."""
        return path in _require(self._files, "Files")

    def error_logs(self) -> list[dict[str, Any]]:
        """Return the log entries given beforehand."""
        return [dict(entry) for entry in _require(self._error_logs, "Logs")]

    def http(self, request: Mapping[str, Any]) -> Any:
        """Refuse: nothing is fetched here."""
        raise _unavailable("HTTP requests")

    def now(self) -> datetime:
        """Return the moment given beforehand, or the clock's."""
        return self._now or datetime.now(UTC)

    def mask(self, text: str) -> None:
        """Collect the text in `masked`."""
        self.masked.append(text)


def pick_secret_field(key: str, text: str, subkey: str | None) -> str:
    """
    Return the whole secret, or one field of a secret that is a JSON map, as text.

    Raises ExpressionError of kind bad_value when the secret is no JSON map and not_found when the field is missing.
    """
    if subkey is None:
        return text
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ExpressionError(Kind.BAD_VALUE, f"The secret '{key}' is not JSON, so it has no field '{subkey}'.") from error
    if not isinstance(fields, dict):
        raise ExpressionError(Kind.BAD_VALUE, f"The secret '{key}' is not a JSON map, so it has no field '{subkey}'.")
    if subkey not in fields:
        raise ExpressionError(Kind.NOT_FOUND, f"Cannot find subkey '{subkey}' in the secret '{key}'.")
    value = fields[subkey]
    return value if isinstance(value, str) else json.dumps(value)


def _require(content: Any, what: str) -> Any:
    if content is None:
        raise _unavailable(what)
    return content


def _unavailable(what: str) -> ExpressionError:
    return ExpressionError(Kind.UNAVAILABLE, f"{what} are not available where this expression is rendered.")
