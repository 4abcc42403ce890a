"""What may be done with the key-value pairs of namespaces, for every interface."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from flows.engine.stores import check_name
from flows.models import KeyValue
from flows.models import key_values as store
from flows.models.key_values import KeyNotFoundError, list_namespace_chain
from flows.operations.acts import act
from flows.primitives.callers import current_caller
from flows.primitives.identifiers import NameKind
from flows.primitives.rights import Action, Resource
from flows.primitives.typed_values import parse_value_text
from flows.queries.visibility import can_see, visible

log = logging.getLogger(__name__)


def set_key_value(
    namespace: str,
    key: str,
    value: Any,
    *,
    at: datetime,
    actor: str = "",
    kind: str | None = None,
    ttl: timedelta | None = None,
    overwrite: bool = True,
    description: str | None = None,
) -> KeyValue:
    """
    Store a value. Arguments and errors as `flows.models.key_values.write_key_value`; the names are checked first.

    Raises:
        InvalidError: a bad namespace, key, type or value.
        ConflictError: the key exists and `overwrite` is False.
    """
    check_name(NameKind.NAMESPACE, namespace)
    check_name(NameKind.KEY, key)
    with act("key.set", _choose_action(namespace, key), Resource.KVSTORE, namespace, key) as doing:
        row = store.write_key_value(
            namespace, key, value, at=at, kind=kind, ttl=ttl, overwrite=overwrite, description=description
        )
        doing.after = {"type": row.kind, "revision": row.revision}
    log.info("key.set", extra={"namespace": namespace, "key": key, "by": actor})
    return row


def _choose_action(namespace: str, key: str) -> Action:
    """Return which right a write needs; for who may both nothing is looked up."""
    caller = current_caller()
    may_create, may_update = (caller.may(action, Resource.KVSTORE, namespace) for action in (Action.CREATE, Action.UPDATE))
    if may_create == may_update:
        return Action.UPDATE
    return Action.UPDATE if KeyValue.objects.filter(namespace=namespace, key=key).exists() else Action.CREATE


def set_key_value_text(
    namespace: str,
    key: str,
    text: str,
    *,
    at: datetime,
    actor: str = "",
    ttl: timedelta | None = None,
    description: str | None = None,
) -> KeyValue:
    """Store the value of a request body: JSON, or a bare date, moment or duration. Raises InvalidError when it is neither."""
    kind, value = parse_value_text(text)
    return set_key_value(namespace, key, value, at=at, actor=actor, kind=kind, ttl=ttl, description=description)


def get_key_value(namespace: str, key: str, *, at: datetime, inherit: bool = False) -> KeyValue:
    """
    Return the row of a key.

    Raises:
        KeyExpiredError, KeyNotFoundError: it is not there any more, or never was; also for who may not read the namespace.
    """
    if not can_see(Resource.KVSTORE, namespace):
        raise store.missing_key(namespace, key)
    return store.get_key_value(namespace, key, at=at, inherit=inherit)


def list_key_values(
    namespace: str | None = None, *, at: datetime, inherit: bool = False, query: str = "", with_expired: bool = False
) -> QuerySet[KeyValue]:
    """
    Return the pairs of one namespace, sorted by namespace and key.

    Args:
        namespace: all namespaces when None.
        at: aware UTC moment that decides what is expired.
        inherit: whether the pairs of the parents come along.
        query: part of the key, in any letter case.
        with_expired: whether expired pairs that no purge removed yet are shown.
    """
    rows = visible(KeyValue)
    if namespace is not None:
        rows = rows.filter(namespace__in=list_namespace_chain(namespace) if inherit else [namespace])
    if not with_expired:
        rows = rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at))
    return rows.filter(key__icontains=query) if query else rows


def delete_key_value(namespace: str, key: str, *, at: datetime, actor: str = "") -> bool:
    """Delete a key; False when it was missing or expired, which is what strangers to the namespace hear of every key."""
    missing = store.missing_key(namespace, key)
    try:
        with act("key.delete", Action.DELETE, Resource.KVSTORE, namespace, key, missing=missing) as doing:
            was_there = store.delete_key_value(namespace, key, at=at)
            doing.after = {"deleted": was_there}
    except KeyNotFoundError:
        return False
    if was_there:
        log.info("key.deleted", extra={"namespace": namespace, "key": key, "by": actor})
    return was_there


def delete_key_values(namespace: str, keys: Iterable[str], *, at: datetime, actor: str = "") -> list[str]:
    """Delete several keys and return those that were there, in the order given."""
    try:
        with act("key.delete", Action.DELETE, Resource.KVSTORE, namespace, missing=store.missing_key(namespace, "")) as doing:
            deleted = [key for key in keys if delete_key_value(namespace, key, at=at, actor=actor)]
            doing.after = {"count": len(deleted), "keys": deleted[:100]}
    except KeyNotFoundError:
        return []
    return deleted
