"""Authenticated encryption of texts with the key of the settings: for stored secrets and for SECRET inputs and outputs."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flows.conf import get_settings
from flows.primitives.errors import FlowsError

ENVELOPE_TYPE = "io.kestra.datatype:aes_encrypted"
VALUE_PURPOSE = "value"
_VERSION = "v1"
_NONCE_BYTES = 12


class DecryptionError(FlowsError):
    """An encrypted value was made with another key, for another purpose, or was damaged."""

    code = "decryption"


def seal_text(text: str, *, purpose: str = VALUE_PURPOSE, key: bytes | None = None) -> str:
    """
    Return `text` encrypted as `v1.<key id>.<base64>`; two calls never return the same.

    Args:
        text: any text.
        purpose: what the value belongs to; it can only be decrypted for the same purpose, so a value that somebody copies
            into another row stays closed.
        key: 32 raw bytes; the key of the settings when left out.

    Source: security, S-30.
    """
    key = get_settings().encryption_key if key is None else key
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + _cipher(key).encrypt(nonce, text.encode(), purpose.encode())
    return f"{_VERSION}.{key_id(key)}.{base64.urlsafe_b64encode(sealed).decode('ascii')}"


def unseal_text(token: str, *, purpose: str = VALUE_PURPOSE, key: bytes | None = None) -> str:
    """
    Return the text of a token that `seal_text` made for the same purpose.

    Raises:
        DecryptionError: another key, another purpose, a damaged token. The message holds no part of the value.
    """
    key = get_settings().encryption_key if key is None else key
    version, _, rest = token.partition(".")
    used_key_id, _, sealed_text = rest.partition(".")
    if version != _VERSION or not sealed_text:
        raise DecryptionError("The encrypted value has an unknown form: it was not written by this product, or it was cut.")
    if used_key_id != key_id(key):
        raise DecryptionError(
            f"The encrypted value was made with the key {used_key_id}, and this installation uses {key_id(key)}: "
            "start with the CELESTRA_ENCRYPTION_KEY of that time, or store the value again."
        )
    try:
        sealed = base64.urlsafe_b64decode(sealed_text)
        return _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode()).decode()
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise DecryptionError("The encrypted value was changed after it was written, or belongs to something else.") from error


def encrypt_text(text: str) -> dict[str, str]:
    """Return `{type, value}` as SECRET inputs and outputs are stored. Source: flow language, 16.5."""
    return {"type": ENVELOPE_TYPE, "value": seal_text(text)}


def is_envelope(value: Any) -> bool:
    """Tell whether a stored value is an encrypted one."""
    return isinstance(value, Mapping) and value.get("type") == ENVELOPE_TYPE and isinstance(value.get("value"), str)


def decrypt_envelope(value: Any) -> str:
    """
    Return the text of an envelope.

    Raises:
        DecryptionError: the value is no envelope, or as `unseal_text`.
    """
    if not is_envelope(value):
        raise DecryptionError("The value is not encrypted: only SECRET inputs and encrypted outputs can be decrypted.")
    return unseal_text(value["value"])


def key_id(key: bytes) -> str:
    """Return the short public name of a key; it tells nothing about the key."""
    return sha256(b"celestra key id" + key).hexdigest()[:8]


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)
