"""What a blueprint needs before it runs, and what of it is missing here: secrets, plugins, a place for containers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flows.models import Secret
from flows.models.key_values import list_namespace_chain
from flows.models.vault import list_environment_secrets
from flows.plugin_api.registry import get_registry
from flows.primitives.rights import Resource
from flows.queries.blueprints import BlueprintEntry, Need
from flows.queries.visibility import can_see, visible

_CONTAINER = re.compile(r"^\s*containerImage:|plugin\.scripts\.runner\.docker\.|plugin\.docker\.", re.MULTILINE)
_OF_DASHBOARDS = "io.kestra.plugin.core.dashboard."


@dataclass(frozen=True, slots=True)
class KnownNeed:
    """A need, and whether what it names is missing here; None when nobody can tell from here."""

    need: Need
    is_missing: bool | None = None


def list_needs(entries: Sequence[BlueprintEntry], *, namespace: str) -> dict[str, list[KnownNeed]]:
    """
    Return the needs of blueprints by their ids, at most two statements for all of them.

    Plugins that are not installed and a place for containers are needs, too, though no file names them.

    Args:
        namespace: where the flows would live: its secrets and those of its parents count.

    Source: console, 4.12.
    """
    wanted = {need.text for entry in entries for need in entry.needs if need.kind == "secret"}
    known = _list_known_secrets(namespace, wanted)
    return {entry.id: [*_list_declared(entry, known), *_list_implied(entry)] for entry in entries}


def _list_known_secrets(namespace: str, wanted: Iterable[str]) -> frozenset[str] | None:
    """Return which of the secrets exist, None for who may not know."""
    if not can_see(Resource.SECRET, namespace):
        return None
    names = set(wanted)
    chain = list_namespace_chain(namespace)
    stored = visible(Secret).filter(namespace__in=chain, key__in=names).values_list("key", flat=True) if names else ()
    return frozenset(stored) | frozenset(name for name in names if name.upper() in list_environment_secrets())


def _list_declared(entry: BlueprintEntry, known: frozenset[str] | None) -> list[KnownNeed]:
    return [KnownNeed(need, None if known is None or need.kind != "secret" else need.text not in known) for need in entry.needs]


def _list_implied(entry: BlueprintEntry) -> list[KnownNeed]:
    found = [
        KnownNeed(Need("plugin", name), True)
        for name in entry.task_types
        if not name.startswith(_OF_DASHBOARDS) and get_registry().find(name) is None
    ]
    if _CONTAINER.search(entry.source):
        found.append(KnownNeed(Need("container", "a container engine on the worker")))
    return found
