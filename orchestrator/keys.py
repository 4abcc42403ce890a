"""The signing key and the encryption key: from the environment, or kept in two files of CELESTRA_HOME that only we may read."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured

SECRET_KEY_LENGTH = 32
ENCRYPTION_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """`secret` signs sessions and tokens (text); `encryption` protects stored secrets (32 raw bytes)."""

    secret: str
    encryption: bytes


def read_keys(home: Path, *, secret: str, encryption: str, may_generate: bool) -> Keys:
    """
    Return both keys.

    Args:
        home: data folder; `keys/secret` and `keys/encryption` in it hold generated keys.
        secret: CELESTRA_SECRET_KEY, or empty.
        encryption: CELESTRA_ENCRYPTION_KEY (base64 of 32 bytes), or empty.
        may_generate: whether missing files may be written.

    Returns:
        The keys. Without an encryption key of its own, one is derived from the secret key, so the two always differ.

    Raises:
        ImproperlyConfigured: a key is missing, too short, or its file cannot be read or written.
    """
    folder = home / "keys"
    if secret and len(secret) < SECRET_KEY_LENGTH:
        raise ImproperlyConfigured(f"CELESTRA_SECRET_KEY must have {SECRET_KEY_LENGTH} characters or more; it has {len(secret)}.")
    stored_encryption = _find_key(folder / "encryption")
    if secret and not encryption and not stored_encryption:
        return Keys(secret=secret, encryption=_derive_encryption_key(secret))
    if not secret:
        secret = _find_key(folder / "secret") or _generate_key(folder / "secret", may_generate)
    if not encryption:
        encryption = stored_encryption or _generate_key(folder / "encryption", may_generate)
    return Keys(secret=secret, encryption=_decode_encryption_key(encryption))


def _find_key(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImproperlyConfigured(
            f"the key file {path} cannot be read ({error.strerror}): start as the user who owns it, or set CELESTRA_SECRET_KEY."
        ) from error


def _generate_key(path: Path, may_generate: bool) -> str:
    if not may_generate:
        raise ImproperlyConfigured(
            f"CELESTRA_SECRET_KEY is not set and {path} does not exist: set the variable to {SECRET_KEY_LENGTH} or more random "
            "characters, the same on every host."
        )
    key = base64.urlsafe_b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode("ascii")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key + "\n")
        # A link fails where the file exists by now: whoever was first decides, and all processes use the same key.
        try:
            os.link(draft, path)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        finally:
            draft.unlink()
    except OSError as error:
        raise ImproperlyConfigured(
            f"the folder {path.parent} cannot be written ({error.strerror}): choose another one with CELESTRA_HOME, or make this "
            "one writable for the current user."
        ) from error
    return key


def _decode_encryption_key(text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != ENCRYPTION_KEY_BYTES:
        raise ImproperlyConfigured(f"CELESTRA_ENCRYPTION_KEY must be {ENCRYPTION_KEY_BYTES} random bytes in base64.")
    return key


def _derive_encryption_key(secret: str) -> bytes:
    derive = HKDF(algorithm=hashes.SHA256(), length=ENCRYPTION_KEY_BYTES, salt=None, info=b"celestra encryption of secrets")
    return derive.derive(secret.encode())
