"""Reads of namespaces: recent failures, and which secrets flows of a namespace find, where they lie and who uses them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Q

from flows.models import Execution, FlowRevision, Secret
from flows.models.key_values import list_namespace_chain
from flows.models.vault import list_environment_secrets
from flows.primitives.rights import Resource
from flows.primitives.states import State
from flows.queries.visibility import can_see, visible

RECENT = timedelta(hours=24)
ENVIRONMENT = ""
"""Stands for the environment of the server where the owner of a secret is named."""

_USE = re.compile(r"\bsecret\(\s*(?:key\s*=\s*)?([\"'])([A-Za-z0-9_.-]+)\1")


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """
    A secret that flows of a namespace find, without its value. `owner` is the namespace that stores it.

    `shadowed_by` names the nearer namespace whose secret of the same name wins, `shadows` the farther one that loses against it;
    both are None when there is none, and empty for the environment.
    """

    key: str
    owner: str
    description: str = ""
    tags: Sequence[tuple[str, str]] = ()
    updated_at: datetime | None = None
    shadows: str | None = None
    shadowed_by: str | None = None


def count_recent_failures(*, at: datetime) -> dict[str, int]:
    """Return how many executions of the last 24 hours have failed, by namespace; only those with any."""
    rows = visible(Execution).filter(state=State.FAILED, created_at__gte=at - RECENT, kind="NORMAL").order_by()
    return dict(rows.values_list("namespace").annotate(count=Count("pk")))


def list_known_secrets(namespace: str) -> list[KnownSecret]:
    """Return the secrets of a namespace, of its parents and of the environment, nearest owner first, each owner's by name."""
    chain = list_namespace_chain(namespace)
    rows: dict[str, list[Secret]] = defaultdict(list)
    for row in visible(Secret).defer("encrypted").filter(namespace__in=chain).order_by("key"):
        rows[row.namespace].append(row)
    found = [
        KnownSecret(
            row.key,
            owner,
            row.description,
            [(str(tag.get("key", "")), str(tag.get("value", ""))) for tag in row.tags or ()],
            row.updated_at,
        )
        for owner in chain
        for row in rows[owner]
    ]
    if can_see(Resource.SECRET, namespace):
        found += [KnownSecret(key, ENVIRONMENT) for key in list_environment_secrets()]
    return _mark_shadows(found)


def _mark_shadows(found: Sequence[KnownSecret]) -> list[KnownSecret]:
    # The environment is compared in capitals, so all of them are.
    owners: dict[str, list[str]] = defaultdict(list)
    for one in found:
        owners[one.key.upper()].append(one.owner)
    marked = []
    for one in found:
        same = owners[one.key.upper()]
        place = same.index(one.owner)
        marked.append(
            KnownSecret(
                one.key,
                one.owner,
                one.description,
                one.tags,
                one.updated_at,
                shadows=same[place + 1] if place == 0 and len(same) > 1 else None,
                shadowed_by=same[0] if place else None,
            )
        )
    return marked


def find_secret_uses(namespace: str) -> dict[str, list[tuple[str, str]]]:
    """
    Return which flows of a namespace and of those below it name each secret in `secret('NAME')`, by name in capitals.

    Names that an expression puts together are not found.
    """
    below = Q(flow__namespace=namespace) | Q(flow__namespace__startswith=f"{namespace}.")
    rows = visible(FlowRevision).filter(below, flow__deleted=False, revision=F("flow__revision"), source__contains="secret(")
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    named = rows.order_by("flow__namespace", "flow__flow_id").values_list("flow__namespace", "flow__flow_id", "source")
    for owner, flow_id, source in named:
        for key in dict.fromkeys(match[2].upper() for match in _USE.finditer(source)):
            found[key].append((owner, flow_id))
    return dict(found)
