"""Typed key-value pairs of namespaces: how they are found, written and purged. Callers check names and rights."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from django.db.models import Q

from flows.models.namespace import KeyValue
from flows.primitives.durations import format_duration
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.typed_values import Kind, ValueTypeError, deduce_kind, from_stored, parse_kind, to_stored

_UPSERT = """
    insert into flows_keyvalue as known
        (namespace, key, kind, value, description, revision, expires_at, created_at, updated_at)
    values
        (%(namespace)s, %(key)s, %(kind)s, %(value)s::jsonb, coalesce(%(description)s, ''), 1, %(expires_at)s, %(at)s, %(at)s)
    on conflict (namespace, key) do update set
        kind = excluded.kind, value = excluded.value, description = coalesce(%(description)s, known.description),
        revision = known.revision + 1, expires_at = excluded.expires_at, updated_at = excluded.updated_at
        where %(overwrite)s or known.expires_at <= %(at)s
    returning *
"""


class KeyNotFoundError(NotFoundError):
    """The namespace has no such key."""

    code = "key-not-found"


class KeyExpiredError(KeyNotFoundError):
    """The key was there, but its time is over."""

    code = "key-expired"


class KeyExistsError(ConflictError):
    """The key exists and must not be overwritten."""

    code = "key-exists"


def list_namespace_chain(namespace: str) -> list[str]:
    """Return the namespace and its parents, nearest first: `a.b.c`, `a.b`, `a`."""
    parts = namespace.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def get_key_value(namespace: str, key: str, *, at: datetime, inherit: bool = False) -> KeyValue:
    """
    Return the row of a key that is not expired.

    Args:
        namespace: where to look.
        key: name of the pair.
        at: aware UTC moment of the read.
        inherit: whether parents are asked when the namespace itself does not know the key; the nearest one wins.

    Raises:
        KeyExpiredError: the pair is there but its time is over, and no parent may or can stand in.
        KeyNotFoundError: nobody knows the key.
    """
    chain = list_namespace_chain(namespace) if inherit else [namespace]
    rows = {row.namespace: row for row in KeyValue.objects.filter(namespace__in=chain, key=key)}
    expired = None
    for owner in chain:
        row = rows.get(owner)
        if row is None:
            continue
        if row.expires_at is None or row.expires_at > at:
            return row
        expired = expired or row
    if expired is not None:
        raise KeyExpiredError(
            f'Key "{key}" of namespace {expired.namespace} expired at {expired.expires_at:%Y-%m-%d %H:%M:%S} UTC.'
        )
    raise missing_key(namespace, key)


def missing_key(namespace: str, key: str) -> KeyNotFoundError:
    """Return the error about a key that nobody knows, or that is none of the caller's business."""
    return KeyNotFoundError(f'Namespace {namespace} has no key "{key}".')


def read_key_value(namespace: str, key: str, *, at: datetime, inherit: bool = False) -> Any:
    """Return the value as expressions see it. Arguments and errors as `get_key_value`."""
    row = get_key_value(namespace, key, at=at, inherit=inherit)
    return from_stored(row.value, Kind(row.kind))


def write_key_value(
    namespace: str,
    key: str,
    value: Any,
    *,
    at: datetime,
    kind: str | None = None,
    ttl: timedelta | None = None,
    overwrite: bool = True,
    description: str | None = None,
) -> KeyValue:
    """
    Store a value and return its row. Writers of one key take turns.

    Args:
        namespace: owner of the pair.
        key: name of the pair, already checked.
        value: any value that `kind` can hold.
        at: aware UTC moment of the write.
        kind: name of a type in any letter case; deduced when None.
        ttl: life of the pair from now on; None means for ever, and ends an earlier limit.
        overwrite: False refuses a key that is there and not expired.
        description: kept as it was when None.

    Raises:
        KeyExistsError: the key is there and `overwrite` is False.
        ValueTypeError: unknown type, or a value that is not of it; also a life that is not longer than zero.
    """
    chosen = parse_kind(kind) if kind else deduce_kind(value)
    stored = to_stored(value, chosen)
    if ttl is not None and ttl <= timedelta(0):
        raise ValueTypeError(f'The ttl of key "{key}" must be longer than zero; got {format_duration(ttl)}.')
    try:
        expires_at = None if ttl is None else at + ttl
    except OverflowError as error:
        raise ValueTypeError(f'The ttl of key "{key}" reaches beyond the year 9999: leave it out instead.') from error
    parameters = {
        "namespace": namespace,
        "key": key,
        "kind": chosen,
        "value": json.dumps(stored),
        "expires_at": expires_at,
        "description": description,
        "at": at,
        "overwrite": overwrite,
    }
    # One statement, so that a task that sets a key costs one round trip and needs no lock of its own.
    rows = list(KeyValue.objects.raw(_UPSERT, parameters))
    if not rows:
        raise KeyExistsError(f'Key "{key}" of namespace {namespace} exists already and overwriting was switched off.')
    return rows[0]


def delete_key_value(namespace: str, key: str, *, at: datetime) -> bool:
    """Delete a key; False when it was not there or had expired."""
    rows = KeyValue.objects.filter(namespace=namespace, key=key)
    was_alive = rows.filter(_alive(at)).exists()
    rows.delete()
    return was_alive


def list_keys(namespace: str, *, at: datetime, prefix: str = "") -> list[str]:
    """Return the keys that are not expired, sorted by code point."""
    rows = KeyValue.objects.filter(_alive(at), namespace=namespace, key__startswith=prefix)
    return sorted(rows.values_list("key", flat=True))


def purge_key_values(
    *,
    at: datetime,
    namespaces: Collection[str] | None = None,
    namespace_pattern: str | None = None,
    include_child_namespaces: bool = True,
    key_pattern: str | None = None,
    behavior: Mapping[str, Any] | None = None,
) -> int:
    """
    Delete pairs and return how many.

    Args:
        at: aware UTC moment that decides what is expired.
        namespaces: only these; None or empty means all.
        namespace_pattern: glob of namespaces, instead of `namespaces`.
        include_child_namespaces: whether the children of `namespaces` are meant as well.
        key_pattern: glob of keys.
        behavior: `{type: key, expiredOnly: bool}`, by default expired pairs only. `{type: version, ...}` deletes nothing, for
            only the newest version of a value is kept.

    Raises:
        InvalidError: both ways to choose namespaces, or an unknown behavior.

    Source: core tasks, 6.1, PurgeKV.
    """
    behavior = behavior or {}
    manner = behavior.get("type", "key")
    if manner not in ("key", "version"):
        raise InvalidError(f'A purge of keys knows the behaviors "key" and "version"; got "{manner}".', code="purge-behavior")
    chosen = choose_namespaces(namespaces, namespace_pattern, include_child_namespaces)
    if manner == "version":
        return 0
    rows = KeyValue.objects.filter(expires_at__lte=at) if behavior.get("expiredOnly", True) else KeyValue.objects.all()
    doomed = [
        number
        for number, namespace, key in rows.values_list("id", "namespace", "key")
        if chosen(namespace) and (not key_pattern or fnmatchcase(key, key_pattern))
    ]
    return KeyValue.objects.filter(id__in=doomed).delete()[0] if doomed else 0


class NamespaceChoice:
    """Which namespaces a purge means; call it with a namespace."""

    def __init__(self, namespaces: Collection[str] | None, pattern: str | None, include_children: bool) -> None:
        self._names = frozenset(namespaces or ())
        self._pattern = pattern
        self._include_children = include_children

    def __call__(self, namespace: str) -> bool:
        if self._pattern:
            return fnmatchcase(namespace, self._pattern)
        if not self._names or namespace in self._names:
            return True
        return self._include_children and any(namespace.startswith(f"{name}.") for name in self._names)


def choose_namespaces(namespaces: Collection[str] | None, pattern: str | None, include_children: bool) -> NamespaceChoice:
    """Return the choice of a purge. Raises InvalidError when both a list and a pattern are given."""
    if namespaces and pattern:
        raise InvalidError('A purge takes either "namespaces" or "namespacePattern", not both.', code="purge-namespaces")
    return NamespaceChoice(namespaces, pattern, include_children)


def _alive(at: datetime) -> Q:
    return Q(expires_at__isnull=True) | Q(expires_at__gt=at)
