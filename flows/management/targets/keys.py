"""The key-value pairs that commands work on: those of this database, or those of another installation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from django.utils import timezone

from flows.management.presenters import KEY, VALUE, Json, narrow, present_key, present_value
from flows.management.targets.actor import ACTOR, undone_if
from flows.management.targets.server import Server
from flows.models.key_values import list_namespace_chain
from flows.operations import key_values as operations
from flows.primitives.durations import format_duration
from flows.primitives.errors import NotFoundError
from flows.primitives.typed_values import Kind, to_stored
from flows.queries.criteria import Criteria
from flows.queries.key_values import search_key_values
from flows.queries.pages import Window

_BARE_KINDS = frozenset({Kind.DATE, Kind.DATETIME, Kind.DURATION})


@dataclass(frozen=True, slots=True)
class Pair:
    """A value to store, of a named type; `value` is already of it."""

    namespace: str
    key: str
    kind: Kind
    value: Any
    ttl: timedelta | None = None
    description: str | None = None


class Keys(Protocol):
    """What commands do with key-value pairs. Documents are those of the REST API, narrowed."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        """Return one page of keys without values."""

    def get(self, namespace: str, key: str, *, inherit: bool = False) -> Json:
        """Return a value with its type; with `inherit` that of the nearest parent. Raises NotFoundError."""

    def set(self, pair: Pair, *, dry_run: bool) -> Json:
        """Store a value and return its `namespace`, `key` and `type`. Raises InvalidError."""

    def delete(self, namespace: str, keys: Sequence[str], *, dry_run: bool) -> list[str]:
        """Delete keys and return those that were there."""


class LocalKeys:
    """The pairs of this database."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        return [present_key(row) for row in search_key_values(criteria, window, at=timezone.now()).results]

    def get(self, namespace: str, key: str, *, inherit: bool = False) -> Json:
        return present_value(operations.get_key_value(namespace, key, at=timezone.now(), inherit=inherit))

    def set(self, pair: Pair, *, dry_run: bool) -> Json:
        with undone_if(dry_run):
            operations.set_key_value(
                pair.namespace,
                pair.key,
                pair.value,
                kind=pair.kind,
                ttl=pair.ttl,
                description=pair.description,
                at=timezone.now(),
                actor=ACTOR,
            )
        return _describe(pair)

    def delete(self, namespace: str, keys: Sequence[str], *, dry_run: bool) -> list[str]:
        with undone_if(dry_run):
            return operations.delete_key_values(namespace, keys, at=timezone.now(), actor=ACTOR)


class RemoteKeys:
    """The pairs of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        return [narrow(row, KEY) for row in self._server.search("kv", criteria=criteria, window=window)]

    def get(self, namespace: str, key: str, *, inherit: bool = False) -> Json:
        owners = list_namespace_chain(namespace) if inherit else [namespace]
        for owner in owners[:-1]:
            found = self._find(owner, key)
            if found is not None:
                return found
        return self._get(owners[-1], key)

    def _get(self, namespace: str, key: str) -> Json:
        answer = self._server.get("namespaces", namespace, "kv", key)
        return {**dict.fromkeys(VALUE), **answer, "namespace": namespace, "key": key}

    def _find(self, namespace: str, key: str) -> Json | None:
        try:
            return self._get(namespace, key)
        except NotFoundError:
            return None

    def set(self, pair: Pair, *, dry_run: bool) -> Json:
        if not dry_run:
            headers = {"Content-Type": "text/plain"}
            if pair.ttl is not None:
                headers["ttl"] = format_duration(pair.ttl)
            if pair.description is not None:
                headers["description"] = pair.description
            self._server.send("PUT", "namespaces", pair.namespace, "kv", pair.key, text=_write(pair), headers=headers)
        return _describe(pair)

    def delete(self, namespace: str, keys: Sequence[str], *, dry_run: bool) -> list[str]:
        if dry_run:
            return [key for key in keys if self._find(namespace, key) is not None]
        return list(self._server.send("DELETE", "namespaces", namespace, "kv", body={"keys": list(keys)})["keys"])


def _describe(pair: Pair) -> Json:
    return {"namespace": pair.namespace, "key": pair.key, "type": pair.kind.value}


def _write(pair: Pair) -> str:
    """Return the body from which the server deduces the same type again."""
    return str(pair.value) if pair.kind in _BARE_KINDS else json.dumps(to_stored(pair.value, pair.kind))
