"""Signatures of webhook calls: HMAC-SHA-256 over the raw body, with a header, a prefix and an age that the flow chooses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

DEFAULT_HEADER = "X-Signature"
DEFAULT_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SignatureRule:
    """
    How callers sign.

    Attributes:
        secret: shared secret, rendered.
        header: name of the header with the signature, as hexadecimal or base64 text after `prefix`.
        timestamp_header: header with the moment of signing in seconds since 1970; when set, the signed text is the timestamp, a
            full stop and the body, and a call older or newer than `tolerance` is refused.
    """

    secret: str
    header: str = DEFAULT_HEADER
    prefix: str = ""
    timestamp_header: str | None = None
    tolerance: timedelta = DEFAULT_TOLERANCE


def check_signature(rule: SignatureRule, *, headers: tuple[tuple[str, str], ...], body: bytes, at: datetime) -> str:
    """
    Return why the signature of a call is refused, or an empty text when it is right.

    Args:
        rule: how callers sign.
        headers: (name, value) pairs of the call.
        body: the raw bytes as they came.
        at: aware UTC moment of the call.

    Source: security, S-51. Compared in constant time.
    """
    values = {name.lower(): value.strip() for name, value in reversed(headers)}
    given = values.get(rule.header.lower())
    if given is None:
        return f'the header "{rule.header}" is missing'
    if not given.startswith(rule.prefix):
        return f'the header "{rule.header}" does not start with "{rule.prefix}"'
    signed = body
    if rule.timestamp_header is not None:
        stamp = values.get(rule.timestamp_header.lower(), "")
        if not stamp.isascii() or not stamp.isdigit():
            return f'the header "{rule.timestamp_header}" is not a number of seconds'
        if abs(at.timestamp() - int(stamp)) > rule.tolerance.total_seconds():
            return "the call was signed too long ago"
        signed = stamp.encode() + b"." + body
    expected = hmac.new(rule.secret.encode(), signed, hashlib.sha256).digest()
    if hmac.compare_digest(expected, _decode(given.removeprefix(rule.prefix))):
        return ""
    return "the signature does not fit the body"


def _decode(text: str) -> bytes:
    try:
        return bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
