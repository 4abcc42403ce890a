"""What a webhook asks of its callers: addresses, methods, media types, size, signature. Pure values."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.triggers.webhook import RequestFacts
from flows.triggers.webhook_rules import find_refusal, read_rules, replay_mark

NOW = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SECRET = "shared-secret"


def refuse(properties: dict[str, Any], **facts: Any) -> str:
    """Return the code with which a call is refused, empty when it is taken."""
    found = find_refusal(read_rules(properties, render=lambda text: text), RequestFacts(**facts), at=NOW)
    return found.code if found else ""


@pytest.mark.parametrize(
    ("address", "is_taken"),
    [
        ("10.1.2.3", True), ("10.255.255.255", True), ("11.0.0.1", False), ("192.168.7.7", True), ("192.168.7.8", False),
        ("::ffff:10.1.2.3", True), ("2001:db8::5", True), ("2001:db9::5", False), ("fe80::1%eth0", False), ("", False),
        ("localhost", False), ("10.1.2.3, 1.2.3.4", False),
    ],
)  # fmt: skip
def test_calls_are_taken_from_the_listed_addresses_only(address: str, is_taken: bool) -> None:
    rules = {"allowedAddresses": ["10.1.0.0/8", "192.168.7.7", "2001:db8::/32"]}

    assert refuse(rules, address=address) == ("" if is_taken else "webhook-address")


@pytest.mark.parametrize(
    ("rules", "facts", "code"),
    [
        ({"allowedMethods": ["POST"]}, {"method": "POST"}, ""),
        ({"allowedMethods": ["post", "PUT"]}, {"method": "GET"}, "webhook-method"),
        ({"allowedContentTypes": ["application/json"]}, {"headers": (("Content-Type", "Application/JSON; charset=utf-8"),)}, ""),
        ({"allowedContentTypes": ["text/*"]}, {"headers": (("content-type", "text/csv"),)}, ""),
        ({"allowedContentTypes": ["text/*"]}, {"headers": (("content-type", "textual/csv"),)}, "webhook-content-type"),
        ({"allowedContentTypes": ["application/json"]}, {}, "webhook-content-type"),
        ({"maxBodyBytes": 3}, {"raw": b"abc"}, ""),
        ({"maxBodyBytes": 3}, {"raw": b"abcd"}, "webhook-size"),
        ({"maxBodyBytes": 3}, {"raw": b"abcd", "is_multipart": True}, "webhook-size"),
        ({}, {"raw": b"anything"}, ""),
    ],
)
def test_method_type_and_size_are_checked(rules: dict[str, Any], facts: dict[str, Any], code: str) -> None:
    assert refuse(rules, **facts) == code


def sign(body: bytes, *, stamp: str = "", secret: str = SECRET, algorithm: str = "sha256") -> bytes:
    text = stamp.encode() + b"." + body if stamp else body
    return hmac.new(secret.encode(), text, algorithm).digest()


PLAIN = {"signature": {"secret": SECRET, "header": "X-Hub-Signature-256", "prefix": "sha256="}}
DATED = {"signature": {"secret": SECRET, "timestampHeader": "X-Stamp", "tolerance": "PT1M"}}


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        (sign(b"body").hex(), True),
        (base64.b64encode(sign(b"body")).decode(), True),
        (sign(b"other").hex(), False),
        (sign(b"body", secret="wrong").hex(), False),
        (sign(b"body", algorithm="sha1").hex(), False),
        (hashlib.sha256(b"body").hexdigest(), False),
        ("", False),
        ("é", False),
    ],
)
def test_a_call_must_be_signed_over_its_body(given: str, is_taken: bool) -> None:
    headers = (("x-hub-signature-256", f"sha256={given}"),)

    assert refuse(PLAIN, headers=headers, raw=b"body") == ("" if is_taken else "webhook-signature")


def test_a_call_without_signature_or_prefix_is_refused() -> None:
    assert refuse(PLAIN, raw=b"body") == "webhook-signature"
    assert refuse(PLAIN, raw=b"body", headers=(("X-Hub-Signature-256", sign(b"body").hex()),)) == "webhook-signature"


@pytest.mark.parametrize(("seconds", "is_taken"), [(0, True), (-60, True), (60, True), (-61, False), (61, False)])
def test_an_old_timestamp_is_refused(seconds: int, is_taken: bool) -> None:
    stamp = str(int(STAMP) + seconds)
    headers = (("X-Stamp", stamp), ("X-Signature", sign(b"body", stamp=stamp).hex()))

    assert refuse(DATED, headers=headers, raw=b"body") == ("" if is_taken else "webhook-signature")


def test_the_same_signed_call_has_the_same_mark_however_its_signature_is_written() -> None:
    rules = read_rules(DATED, render=lambda text: text)
    marks = {
        replay_mark(rules, RequestFacts(headers=(("X-Stamp", stamp), ("X-Signature", text)), raw=body))
        for stamp, text, body in ((STAMP, "aa", b"x"), (f"0{STAMP}", "qg==", b"x"), (STAMP, "aa", b"y"))
    }

    assert len(marks) == 2
    assert replay_mark(read_rules(PLAIN, render=lambda text: text), RequestFacts()) is None


@pytest.mark.parametrize(
    "properties",
    [
        {"allowedAddresses": ["10.0.0.0/99"]},
        {"allowedAddresses": "10.0.0.0/8"},
        {"signature": {"secret": ""}},
        {"signature": {}},
        {"signature": "x"},
        {"maxBodyBytes": "much"},
        {"signature": {"secret": "x", "tolerance": "soon"}},
    ],
)
def test_a_rule_that_cannot_be_read_opens_nothing(properties: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        read_rules(properties, render=lambda text: text)
