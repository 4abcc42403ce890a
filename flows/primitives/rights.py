"""Who may do what where: resources, actions, grants over namespaces. Pure; rows are in `flows/models/access.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

EVERYWHERE = ""
"""The namespace of a grant that reaches all namespaces, and what belongs to none."""


class Resource(StrEnum):
    """
    What rights are about. Logs, metrics, outputs and files of an execution belong to EXECUTION; groups, roles, bindings,
    service accounts and other people's tokens to USER; workers, queues, quotas and backups to SETTING.
    """

    FLOW = "FLOW"
    EXECUTION = "EXECUTION"
    TRIGGER = "TRIGGER"
    TEMPLATE = "TEMPLATE"
    NAMESPACE = "NAMESPACE"
    FILE = "FILE"
    KVSTORE = "KVSTORE"
    SECRET = "SECRET"  # noqa: S105 - the name of a resource
    DASHBOARD = "DASHBOARD"
    BLUEPRINT = "BLUEPRINT"
    USER = "USER"
    AUDITLOG = "AUDITLOG"
    SETTING = "SETTING"


class Action(StrEnum):
    """
    What is done. To start or replay an execution is CREATE, to pause, resume, restart, label or kill it is UPDATE. READ of a
    secret shows its name, never its value.
    """

    READ = "READ"
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


Permission = tuple[Resource, Action]

OF_NO_NAMESPACE = frozenset({Resource.DASHBOARD, Resource.BLUEPRINT, Resource.USER, Resource.AUDITLOG, Resource.SETTING})
"""Resources that belong to the installation: only a grant everywhere changes them."""

SHARED = frozenset({Resource.DASHBOARD, Resource.BLUEPRINT})
"""Resources of no namespace that everybody may read who may read them anywhere; what they show is narrowed by itself."""

ALL_PERMISSIONS = frozenset((resource, action) for resource in Resource for action in Action)

_READ = frozenset({Action.READ})
_RUN = frozenset({Action.READ, Action.CREATE, Action.UPDATE})
_ALL = frozenset(Action)
_VIEW: dict[Resource, frozenset[Action]] = dict.fromkeys(
    (
        Resource.FLOW, Resource.EXECUTION, Resource.TRIGGER, Resource.TEMPLATE, Resource.NAMESPACE, Resource.FILE,
        Resource.KVSTORE, Resource.DASHBOARD, Resource.BLUEPRINT,
    ),
    _READ,
)  # fmt: skip
_OPERATE = _VIEW | {Resource.EXECUTION: _RUN, Resource.TRIGGER: frozenset({Action.READ, Action.UPDATE})}
_EDIT = _OPERATE | {
    Resource.FLOW: _ALL,
    Resource.TRIGGER: _ALL,
    Resource.TEMPLATE: _ALL,
    Resource.FILE: _ALL,
    Resource.KVSTORE: _ALL,
    Resource.SECRET: _READ,
    Resource.DASHBOARD: _ALL,
    Resource.BLUEPRINT: _ALL,
}
_GOVERN = _EDIT | dict.fromkeys((Resource.EXECUTION, Resource.NAMESPACE, Resource.SECRET), _ALL)

BUILT_IN_ROLES: Mapping[str, tuple[str, Mapping[Resource, frozenset[Action]]]] = {
    "viewer": ("Sees flows, executions, logs, files and keys. Changes nothing.", _VIEW),
    "operator": ("A viewer who also starts, stops, resumes and restarts executions and switches triggers.", _OPERATE),
    "editor": ("An operator who also writes flows, files, keys, templates and dashboards.", _EDIT),
    "admin": ("An editor who also deletes executions and governs namespaces and their secrets.", _GOVERN),
    "owner": ("Everything, people and settings of the installation included.", dict.fromkeys(Resource, _ALL)),
}
"""Roles that every installation has, by name: what they are for, and what they permit."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions in one namespace and all below it; in the whole installation when `namespace` is empty."""

    namespace: str
    permissions: frozenset[Permission]


def is_within(namespace: str, ancestor: str) -> bool:
    """Tell whether a namespace is another one or below it. Segments are compared whole: `prod2` is not within `prod`."""
    return ancestor == EVERYWHERE or namespace == ancestor or namespace.startswith(f"{ancestor}.")


def is_granted(grants: Iterable[Grant], action: Action, resource: Resource, namespace: str = EVERYWHERE) -> bool:
    """
    Tell whether one of the grants permits an action on a resource of a namespace.

    Args:
        namespace: where the object lives; ignored for resources of no namespace.

    Source: security, S-02.
    """
    wanted = (resource, action)
    if resource in OF_NO_NAMESPACE:
        anywhere = action is Action.READ and resource in SHARED
        return any(wanted in grant.permissions and (anywhere or grant.namespace == EVERYWHERE) for grant in grants)
    return any(wanted in grant.permissions and is_within(namespace, grant.namespace) for grant in grants)


def list_reached(grants: Iterable[Grant], action: Action, resource: Resource) -> tuple[str, ...] | None:
    """
    Return the namespaces whose objects an action reaches, each with all below it.

    Returns:
        None for all of them, an empty tuple for none; never a namespace together with one above it.
    """
    names = {grant.namespace for grant in grants if (resource, action) in grant.permissions}
    if EVERYWHERE in names:
        return None
    return tuple(sorted(name for name in names if not any(name != other and is_within(name, other) for other in names)))


def narrow_grants(
    grants: Iterable[Grant], *, namespaces: Sequence[str] = (), permissions: frozenset[Permission] = ALL_PERMISSIONS
) -> tuple[Grant, ...]:
    """
    Return what is left of grants for a token that reaches only some namespaces or permissions. Nothing is ever added.

    Args:
        namespaces: what the token reaches, each with all below it; all when empty.

    Source: security, S-09.
    """
    limits = tuple(namespaces) or (EVERYWHERE,)
    found: list[Grant] = []
    for grant in grants:
        left = grant.permissions & permissions
        for limit in limits if left else ():
            if is_within(limit, grant.namespace):
                found.append(Grant(limit, left))
            elif is_within(grant.namespace, limit):
                found.append(Grant(grant.namespace, left))
    return tuple(dict.fromkeys(found))


def as_permissions(table: Mapping[str, Iterable[str]]) -> frozenset[Permission]:
    """Return the permissions of a table of actions by resource. Raises ValueError, naming the word that is no such thing."""
    return frozenset((Resource(resource), Action(action)) for resource, actions in table.items() for action in actions)


READING = frozenset(permission for permission in ALL_PERMISSIONS if permission[1] is Action.READ)
"""What a token that may only read keeps of the rights of its person."""
