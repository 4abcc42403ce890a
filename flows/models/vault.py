"""Reads of what namespaces keep for tasks: secrets, stored or from the environment, and key-value pairs."""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Mapping

from flows.models.encryption import seal_text, unseal_text
from flows.models.key_values import list_namespace_chain, read_key_value
from flows.models.namespace import Secret
from flows.primitives.errors import NotFoundError

__all__ = [
    "SecretNotFoundError",
    "find_environment_secret",
    "list_environment_secrets",
    "list_namespace_chain",
    "read_key_value",
    "read_secret",
    "write_secret",
]

ENVIRONMENT_PREFIX = "SECRET_"

log = logging.getLogger(__name__)


class SecretNotFoundError(NotFoundError):
    """Neither the namespace, nor a parent, nor the environment knows the secret."""

    code = "secret-not-found"


def read_secret(namespace: str, key: str, *, environment: Mapping[str, str] | None = None) -> str:
    """
    Return a secret in clear text.

    Args:
        namespace: where the reader stands. Its own secret wins, then that of the nearest parent, then the environment.
        key: name of the secret; in the environment it is compared in capitals.
        environment: the environment to read, of this process when left out.

    Raises:
        SecretNotFoundError: nobody knows it. The message holds the name only.
        DecryptionError: it was stored with another key.

    Source: flow language, 16.5.
    """
    chain = list_namespace_chain(namespace)
    rows = {row.namespace: row for row in Secret.objects.filter(namespace__in=chain, key=key)}
    for owner in chain:
        if owner in rows:
            return unseal_text(rows[owner].encrypted, purpose=_purpose(owner, key))
    value = find_environment_secret(key, environment=environment)
    if value is None:
        raise SecretNotFoundError(
            f'Cannot find secret for key "{key}": store it in namespace {namespace} or in a parent of it, or start the '
            f"server with {ENVIRONMENT_PREFIX}{key.upper()} set to the value in base64."
        )
    return value


def write_secret(
    namespace: str, key: str, value: str, *, description: str | None = None, tags: list[dict[str, str]] | None = None
) -> Secret:
    """Store a secret, encrypted; description and tags stay as they were when None. Writers of one key take turns."""
    fields: dict[str, object] = {"encrypted": seal_text(value, purpose=_purpose(namespace, key))}
    if description is not None:
        fields["description"] = description
    if tags is not None:
        fields["tags"] = tags
    return Secret.objects.update_or_create(namespace=namespace, key=key, defaults=fields)[0]


def change_secret_key(row: Secret, *, old_key: bytes) -> None:
    """Encrypt a stored secret anew with the key of the settings. Raises DecryptionError when `old_key` does not open it."""
    purpose = _purpose(row.namespace, row.key)
    row.encrypted = seal_text(unseal_text(row.encrypted, purpose=purpose, key=old_key), purpose=purpose)
    row.save(update_fields=["encrypted", "updated_at"])


def find_environment_secret(key: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the secret that `SECRET_<KEY>` holds in base64, or None when it is unset or cannot be decoded."""
    wanted = f"{ENVIRONMENT_PREFIX}{key}".upper()
    for name, text in (os.environ if environment is None else environment).items():
        if name.upper() == wanted:
            return _decode(name, text)
    return None


def list_environment_secrets(*, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of the secrets of the environment that can be decoded, in capitals, sorted."""
    names = os.environ if environment is None else environment
    found = {name.upper(): text for name, text in names.items() if name.upper().startswith(ENVIRONMENT_PREFIX)}
    return sorted(name.removeprefix(ENVIRONMENT_PREFIX) for name, text in found.items() if _decode(name, text) is not None)


def _decode(name: str, text: str) -> str | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        log.error("secret.undecodable variable=%s: its value must be base64 of UTF-8 text", name)
        return None


def _purpose(namespace: str, key: str) -> str:
    return f"secret {namespace}/{key}"
