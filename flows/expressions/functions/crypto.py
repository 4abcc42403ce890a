"""Functions that encrypt and decrypt texts with AES-GCM: base64 of a 12-byte IV, the data and a 16-byte tag."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flows.expressions.arguments import bad_argument, bad_value, text_argument
from flows.expressions.filters.hashing import encode_utf8
from flows.expressions.library import register_function
from flows.expressions.scope import Render

IV_BYTES = 12
TAG_BYTES = 16


def _make_cipher(key: Any) -> AESGCM:
    try:
        return AESGCM(base64.b64decode(text_argument("key", key), validate=True))
    except (binascii.Error, ValueError) as error:
        raise bad_argument('The argument "key" must be a key of 16, 24 or 32 bytes in base64.') from error


@register_function("encrypt", "key", "plaintext", required=2)
def encrypt(_: Render, key: Any, plaintext: Any) -> Any:
    """The text encrypted with a key in base64; null and the empty text stay as they are."""
    if plaintext is None or plaintext == "":
        return plaintext
    iv = os.urandom(IV_BYTES)
    return base64.b64encode(iv + _make_cipher(key).encrypt(iv, encode_utf8(text_argument("plaintext", plaintext)), None)).decode()


@register_function("decrypt", "key", "encrypted", required=2)
def decrypt(_: Render, key: Any, encrypted: Any) -> Any:
    """The text that encrypt made, with the same key; null and the empty text stay as they are."""
    if encrypted is None or encrypted == "":
        return encrypted
    cipher = _make_cipher(key)
    try:
        data = base64.b64decode(text_argument("encrypted", encrypted), validate=True)
        if len(data) < IV_BYTES + TAG_BYTES:
            raise ValueError("too short")
        return cipher.decrypt(data[:IV_BYTES], data[IV_BYTES:], None).decode()
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise bad_value("The text cannot be decrypted: it was made with another key, or changed since.") from error
