"""Webhook calls: keys, what expressions see, answers, signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import pytest

from flows.language.flow import Trigger
from flows.triggers.signature import SignatureRule, check_signature
from flows.triggers.webhook import (
    RequestFacts,
    find_webhook,
    keys_match,
    parse_body,
    read_answer,
    webhook_variables,
)


@dataclass
class Upload:
    """An uploaded file in memory."""

    field_name: str
    file_name: str
    content: bytes
    content_type: str = "text/plain"

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def open(self) -> IO[bytes]:
        return io.BytesIO(self.content)


class Shelf:
    """Storage that keeps files in a dict."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def __call__(self, content: IO[bytes] | bytes, name: str) -> str:
        self.files[name] = content if isinstance(content, bytes) else content.read()
        return f"kestra:///{name}"


def hook(key: str = "k", **properties: Any) -> Trigger:
    return Trigger(id=f"hook-{key}", type="io.kestra.plugin.core.trigger.Webhook", family="webhook", properties=properties)


def variables(**facts: Any) -> dict[str, Any]:
    return webhook_variables(RequestFacts(**facts), store_file=Shelf())


def test_keys_are_trimmed_and_an_empty_one_never_fits() -> None:
    assert keys_match(" secret ", "secret")
    assert not keys_match("secret", "Secret")
    assert not keys_match("  ", "")
    assert not keys_match("schlüssel", "schlussel")


def test_the_trigger_with_the_right_key_is_found() -> None:
    pairs = [(hook("a"), "key-a"), (hook("b"), "key-b")]

    assert find_webhook(pairs, "key-b") is pairs[1][0]
    assert find_webhook(pairs, "key-c") is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"hello": "world"}', {"hello": "world"}),
        (b" [1, 2]", [1, 2]),
        (b"12", "12"),
        (b'"text"', '"text"'),
        (b"plain", "plain"),
        (b"{broken", "{broken"),
        (b"", None),
        (b"\xff\xfe", base64.b64encode(b"\xff\xfe").decode()),
        (b"a\x00b", base64.b64encode(b"a\x00b").decode()),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": 1e999}', '{"a": 1e999}'),
        (b'{"a": "\\u0000"}', '{"a": "\\u0000"}'),
        (b'{"a": "\\ud800"}', '{"a": "\\ud800"}'),
    ],
)
def test_a_body_becomes_data_when_it_is_json_and_stays_text_otherwise(body: bytes, expected: Any) -> None:
    assert parse_body(body) == expected


def test_a_deeply_nested_body_stays_text() -> None:
    body = b"[" * 100_000 + b"]" * 100_000

    assert isinstance(parse_body(body), str)


def test_a_body_is_data_and_is_not_rendered() -> None:
    assert variables(body=b"{{ secret('x') }}")["body"] == "{{ secret('x') }}"


def test_headers_and_parameters_are_maps_of_lists() -> None:
    found = variables(
        headers=(("X-One", "1"), ("x-one", "2"), ("X-Celestra-Webhook-Key", "k")), parameters=(("a", "1"), ("a", "2"), ("b", "3"))
    )

    assert found["headers"] == {"x-one": ["1", "2"]}
    assert found["parameters"] == {"a": ["1", "2"], "b": ["3"]}


def test_a_stored_body_gives_its_address_instead() -> None:
    shelf = Shelf()

    found = webhook_variables(RequestFacts(body=b"big"), store_file=shelf, stores_body=True)

    assert "body" not in found
    assert found["uri"] == "kestra:///body"
    assert shelf.files == {"body": b"big"}


def test_a_multipart_call_gives_parts_and_fields() -> None:
    facts = RequestFacts(
        is_multipart=True, parts=(Upload("doc", "a.txt", b"abc"),), form_fields=(("n", "1"), ("m", "2"), ("m", "3"))
    )

    found = webhook_variables(facts, store_file=Shelf())

    assert found["parts"] == [
        {"name": "doc", "filename": "a.txt", "contentType": "text/plain", "size": 3, "uri": "kestra:///a.txt"}
    ]
    assert found["formFields"] == {"n": "1", "m": ["2", "3"]}
    assert "body" not in found


def test_outputs_are_returned_only_when_the_caller_waits() -> None:
    assert not read_answer(hook(returnOutputs=True)).returns_outputs
    assert read_answer(hook(wait=True, returnOutputs=True, responseCode="{{ 201 }}")).status_template == "{{ 201 }}"


NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
RULE = SignatureRule(secret="s3", header="X-Hub-Signature-256", prefix="sha256=", timestamp_header="X-Time")


def signed(body: bytes = b"body", at: datetime = NOW, prefix: str = "sha256=") -> tuple[tuple[str, str], ...]:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(b"s3", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return (("x-hub-signature-256", prefix + digest), ("x-time", stamp))


def test_a_right_signature_passes() -> None:
    assert check_signature(RULE, headers=signed(), body=b"body", at=NOW) == ""


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (signed(), b"other", "does not fit"),
        (signed(at=NOW - timedelta(minutes=6)), b"body", "too long ago"),
        (signed(prefix="sha1="), b"body", "does not start"),
        ((), b"body", "missing"),
        ((("X-Hub-Signature-256", "sha256=zz"), ("X-Time", str(int(NOW.timestamp())))), b"body", "does not fit"),
        ((("X-Hub-Signature-256", "sha256=zz"), ("X-Time", "now")), b"body", "number"),
    ],
)
def test_a_wrong_signature_is_refused_with_its_reason(headers: Any, body: bytes, reason: str) -> None:
    assert reason in check_signature(RULE, headers=headers, body=body, at=NOW)
