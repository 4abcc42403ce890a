"""A lock per trigger that has no state row of its own: held until the transaction ends."""

from __future__ import annotations

import hashlib

from django.db import connection

from flows.engine.catalog import LoadedFlow
from flows.language.flow import Trigger


def lock_trigger(loaded: LoadedFlow, trigger: Trigger) -> None:
    """Let one transaction at a time change what a trigger remembers. A lock of the transaction, so poolers do not mind it."""
    lock_named_trigger(loaded.flow.namespace, loaded.flow.id, trigger.id)


def lock_named_trigger(namespace: str, flow_id: str, trigger_id: str) -> None:
    """Take the lock of `lock_trigger` for a trigger that need not be read for it."""
    name = f"{namespace}/{flow_id}/{trigger_id}".encode()
    number = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
