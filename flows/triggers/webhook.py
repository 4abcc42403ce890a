"""Webhook calls: is the key right, what do expressions see of the request, what does the caller get back. No framework."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from flows.language.flow import Trigger

JSON_DEPTH = 100
KEY_HEADER = "x-celestra-webhook-key"


class Part(Protocol):
    """One uploaded file of a multipart body."""

    @property
    def field_name(self) -> str: ...
    @property
    def file_name(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...

    def open(self) -> IO[bytes]: ...


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """
    What a webhook needs to know of a call.

    Attributes:
        method: upper case.
        headers, parameters, form_fields: (name, value) pairs in order; a name may come twice. `form_fields` come from a
            multipart body or a URL-encoded one.
        body: the raw bytes; empty when the body was multipart.
        parts: files of a multipart body.
        is_multipart: True when `parts` and `form_fields` replace the body.
        raw: the body as it came, also of a form; what callers sign.
        address: where the call comes from, empty when nobody knows.
    """

    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    form_fields: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    is_multipart: bool = False
    raw: bytes = b""
    address: str = ""


StoreFile = Callable[[IO[bytes] | bytes, str], str]


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """How the caller is to be answered: after the end or at once, with outputs or the execution, in which form."""

    waits: bool = False
    returns_outputs: bool = False
    content_type: str = "application/json"
    status_template: Any = None


def keys_match(expected: str, given: str) -> bool:
    """Tell whether a key is right, in a time that tells nothing of either. Both are trimmed; an empty key never matches."""
    left, right = (hashlib.sha256(key.strip().encode()).digest() for key in (expected, given))
    return hmac.compare_digest(left, right) and bool(expected.strip())


def find_webhook(triggers: Iterable[tuple[Trigger, str]], given_key: str) -> Trigger | None:
    """
    Return the webhook whose key was given, or None. Looks at every trigger, so that the time does not tell which one matched.

    Args:
        triggers: webhook triggers of one flow with their rendered keys.
        given_key: the last part of the address, or the key header.
    """
    found: Trigger | None = None
    for trigger, key in triggers:
        if keys_match(key, given_key) and found is None:
            found = trigger
    return found


def webhook_variables(facts: RequestFacts, *, store_file: StoreFile, stores_body: bool = False) -> dict[str, Any]:
    """
    Return the `trigger.*` variables of a call, JSON-ready.

    Args:
        facts: the call.
        store_file: stores bytes or a stream under a name and returns the address.
        stores_body: `fetchType: STORE`; the body goes to storage and `uri` replaces `body`.

    Returns:
        `headers` and `parameters` as name to list of values, header names in lower case; and `body`, or `uri`, or for multipart
        calls `parts` (`{name, filename, contentType, size, uri}`) and `formFields` (name to value, to a list when repeated).

    Source: flow language, 13.6. Nothing in it is ever rendered again (security, S-11).
    """
    variables: dict[str, Any] = {
        "headers": _lists((name.lower(), value) for name, value in facts.headers if name.lower() != KEY_HEADER),
        "parameters": _lists(facts.parameters),
    }
    if facts.is_multipart:
        variables["parts"] = [_store_part(part, store_file) for part in facts.parts]
        variables["formFields"] = {
            name: values[0] if len(values) == 1 else values for name, values in _lists(facts.form_fields).items()
        }
    elif stores_body:
        variables["uri"] = store_file(facts.body, "body")
    else:
        variables["body"] = parse_body(facts.body)
    return variables


def parse_body(body: bytes) -> Any:
    """
    Return a body as expressions see it: a JSON object or list as such, other text as text, bytes that are no text as base64.

    An empty body is None. JSON that is nested too deeply, or holds numbers that JSON does not know, stays text.
    """
    if not body:
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(body).decode("ascii")
    if "\x00" in text:
        # The database stores no such character inside JSON.
        return base64.b64encode(body).decode("ascii")
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
    return value if _depth_is_fine(value) and _can_be_stored(value) else text


def read_answer(trigger: Trigger) -> WebhookAnswer:
    """Return how callers of a webhook are answered. Outputs are returned only together with `wait`."""
    properties = trigger.properties
    waits = properties.get("wait") is True
    returns_outputs = waits and properties.get("returnOutputs") is True
    return WebhookAnswer(
        waits=waits,
        returns_outputs=returns_outputs,
        content_type=str(properties.get("responseContentType") or "application/json"),
        status_template=properties.get("responseCode") if returns_outputs else None,
    )


def is_batch(trigger: Trigger) -> bool:
    """Tell whether calls of this webhook are collected instead of starting an execution each."""
    return trigger.type.endswith(".BatchWebhook")


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(_clean(name), []).append(_clean(value))
    return lists


def _clean(text: str) -> str:
    return text.replace("\x00", "�")


def _store_part(part: Part, store_file: StoreFile) -> dict[str, Any]:
    with part.open() as stream:
        uri = store_file(stream, part.file_name)
    return {
        "name": _clean(part.field_name),
        "filename": _clean(part.file_name),
        "contentType": part.content_type,
        "size": part.size_bytes,
        "uri": uri,
    }


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth_is_fine(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(JSON_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return True
        level = below
    return False


def _can_be_stored(value: Any) -> bool:
    """Tell whether the database takes the value as JSON: no null character, no half of a surrogate pair, no infinity."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except ValueError:
        return False
    return "\\u0000" not in text
