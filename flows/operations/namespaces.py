"""What may be done with namespaces, their variables and secrets. Keys: `key_values.py`; files: `namespace_files.py`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from flows.engine.files import delete_namespace_file
from flows.engine.stores import check_name
from flows.models import Flow, KeyValue, Namespace, NamespaceFile, Secret
from flows.models.encryption import key_id
from flows.models.vault import change_secret_key, list_environment_secrets, list_namespace_chain, write_secret
from flows.operations.acts import act
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.identifiers import NameKind
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import can_see, visible

log = logging.getLogger(__name__)

MAX_SECRET_BYTES = 64 * 1024


class NamespaceNotFoundError(NotFoundError):
    """Nothing belongs to a namespace of this name."""

    code = "namespace-not-found"


class NamespaceInUseError(ConflictError):
    """The namespace exists already, or still has flows."""

    code = "namespace-in-use"


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """
    One namespace. `is_described` tells whether somebody created it; others exist through what they own or as parents.
    `flow_count` counts its own flows, not those of its children.
    """

    id: str
    description: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    plugin_defaults: Sequence[Mapping[str, Any]] = ()
    is_described: bool = False
    flow_count: int = 0


def list_namespaces(*, query: str = "", existing_only: bool = False) -> list[NamespaceInfo]:
    """
    Return all namespaces, sorted by id: described ones, those with flows, keys, secrets or files, and all their parents.

    Args:
        query: part of the id, in any letter case.
        existing_only: leave out parents that own nothing themselves.
    """
    counts: dict[str, int] = {}
    for namespace in Flow.objects.filter(deleted=False).values_list("namespace", flat=True):
        counts[namespace] = counts.get(namespace, 0) + 1
    rows = {row.id: row for row in Namespace.objects.all()}
    names = {*counts, *rows}
    for owned in (KeyValue, Secret, NamespaceFile):
        names.update(owned.objects.order_by().values_list("namespace", flat=True).distinct())
    if not existing_only:
        names.update(parent for name in list(names) for parent in list_namespace_chain(name))
    wanted = query.lower()
    shown = [name for name in sorted(names) if wanted in name.lower() and can_see(Resource.NAMESPACE, name)]
    return [_describe(name, rows.get(name), counts.get(name, 0)) for name in shown]


def get_namespace(namespace: str) -> NamespaceInfo:
    """Return one namespace, also one that exists only through what it or a child owns. Raises NamespaceNotFoundError."""
    if not can_see(Resource.NAMESPACE, namespace):
        raise _no_such_namespace(namespace)
    return _load(namespace)


def _load(namespace: str) -> NamespaceInfo:
    row = Namespace.objects.filter(id=namespace).first()
    flow_count = Flow.objects.filter(namespace=namespace, deleted=False).count()
    if row is None and not flow_count and not _owns_anything(namespace):
        raise _no_such_namespace(namespace)
    return _describe(namespace, row, flow_count)


def _no_such_namespace(namespace: str) -> NamespaceNotFoundError:
    return NamespaceNotFoundError(f"Namespace {namespace} does not exist: nothing was ever saved in it.")


def create_namespace(
    namespace: str,
    *,
    at: datetime,
    actor: str = "",
    description: str = "",
    variables: Mapping[str, Any] | None = None,
    plugin_defaults: Sequence[Mapping[str, Any]] | None = None,
) -> NamespaceInfo:
    """
    Describe a namespace for the first time.

    Raises:
        NamespaceInUseError: somebody described it before.
        InvalidError: a bad name, variables that are no map, or defaults that are no list of `{type, values}`.
    """
    check_name(NameKind.NAMESPACE, namespace)
    with act("namespace.create", Action.CREATE, Resource.NAMESPACE, namespace, namespace) as doing:
        row = Namespace(id=namespace, description=description)
        _lay_over(row, description, {} if variables is None else variables, [] if plugin_defaults is None else plugin_defaults)
        doing.after = _describe_settings(row)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise NamespaceInUseError(f"Namespace {namespace} exists already: update it instead.") from None
    log.info("namespace.created", extra={"namespace": namespace, "by": actor, "at": at.isoformat()})
    return _load(namespace)


def _describe_settings(row: Namespace) -> dict[str, Any]:
    """Return what the audit log keeps of a namespace: names, because values of variables may be confidential."""
    types = [str(one.get("type")) for one in row.plugin_defaults]
    return {"description": row.description, "variables": sorted(row.variables), "pluginDefaults": types}


def update_namespace(
    namespace: str,
    *,
    at: datetime,
    actor: str = "",
    description: str | None = None,
    variables: Mapping[str, Any] | None = None,
    plugin_defaults: Sequence[Mapping[str, Any]] | None = None,
) -> NamespaceInfo:
    """Change what is given and keep the rest. Raises NamespaceNotFoundError, or InvalidError as `create_namespace`."""
    missing = _no_such_namespace(namespace)
    with (
        act("namespace.update", Action.UPDATE, Resource.NAMESPACE, namespace, namespace, missing=missing) as doing,
        transaction.atomic(),
    ):
        _load(namespace)
        row = Namespace.objects.select_for_update().get_or_create(id=namespace)[0]
        doing.before = _describe_settings(row)
        _lay_over(row, description, variables, plugin_defaults)
        doing.after = _describe_settings(row)
        row.save()
    log.info("namespace.updated", extra={"namespace": namespace, "by": actor, "at": at.isoformat()})
    return _load(namespace)


def delete_namespace(namespace: str, *, at: datetime, actor: str = "") -> None:
    """
    Delete a namespace with its variables, keys, secrets and files. Children are namespaces of their own and stay.

    Raises:
        NamespaceNotFoundError: there is none.
        NamespaceInUseError: it still has flows.
    """
    missing = _no_such_namespace(namespace)
    what = "namespace.delete"
    with act(what, Action.DELETE, Resource.NAMESPACE, namespace, namespace, missing=missing, atomic=False) as doing:
        info = _load(namespace)
        if info.flow_count:
            raise NamespaceInUseError(f"Namespace {namespace} still has {info.flow_count} flows: delete them first.")
        paths = list(NamespaceFile.objects.filter(namespace=namespace).values_list("path", flat=True).distinct())
        for path in paths:
            delete_namespace_file(namespace, path)
        with transaction.atomic():
            doing.before = {"files": len(paths)}
            for name, owned in (("keys", KeyValue), ("secrets", Secret)):
                doing.before[name], _ = owned.objects.filter(namespace=namespace).delete()
            Namespace.objects.filter(id=namespace).delete()
            doing.write_now()
    log.info("namespace.deleted", extra={"namespace": namespace, "by": actor, "at": at.isoformat()})


def read_inherited_variables(namespace: str) -> dict[str, Any]:
    """
    Return the variables that flows of the namespace see: its own over those of its parents, level by level.

    For flows, which act for their namespace. What people may see of them gives `show_inherited_variables`.
    """
    chain = list_namespace_chain(namespace)
    rows = {row.id: row.variables for row in Namespace.objects.filter(id__in=chain)}
    merged: dict[str, Any] = {}
    for owner in reversed(chain):
        merged = _merge(merged, rows.get(owner) or {})
    return merged


def show_inherited_variables(namespace: str) -> dict[str, Any]:
    """Return the variables of a namespace and its parents, without those of namespaces that the caller may not read."""
    chain = [owner for owner in list_namespace_chain(namespace) if can_see(Resource.NAMESPACE, owner)]
    rows = {row.id: row.variables for row in Namespace.objects.filter(id__in=chain)}
    merged: dict[str, Any] = {}
    for owner in reversed(chain):
        merged = _merge(merged, rows.get(owner) or {})
    return merged


def show_inherited_defaults(namespace: str) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Return the plugin defaults of the parents that the caller may read, by owner, nearest first."""
    chain = [owner for owner in list_namespace_chain(namespace)[1:] if can_see(Resource.NAMESPACE, owner)]
    rows = {row.id: row.plugin_defaults for row in Namespace.objects.filter(id__in=chain)}
    return [(owner, rows[owner]) for owner in chain if rows.get(owner)]


def set_secret(
    namespace: str,
    key: str,
    value: str,
    *,
    at: datetime,
    actor: str = "",
    description: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Secret:
    """
    Store a secret, encrypted; nobody but a running task reads it again.

    Raises:
        InvalidError: a bad name, an empty value, or one of more than 64 KiB. The message never holds the value.
    """
    check_name(NameKind.NAMESPACE, namespace)
    check_name(NameKind.KEY, key)
    if not value:
        raise InvalidError(f'Secret "{key}" of namespace {namespace} must not be empty: delete it instead.', code="secret-value")
    if len(value.encode("utf-8", "surrogatepass")) > MAX_SECRET_BYTES:
        raise InvalidError(
            f'Secret "{key}" of namespace {namespace} takes more than {MAX_SECRET_BYTES} bytes.', code="secret-value"
        )
    with act("secret.set", _choose_secret_action(namespace, key), Resource.SECRET, namespace, key):
        row = write_secret(
            namespace, key, value, description=description, tags=None if tags is None else [dict(tag) for tag in tags]
        )
    log.info("secret.set", extra={"namespace": namespace, "key": key, "by": actor, "at": at.isoformat()})
    return row


def _choose_secret_action(namespace: str, key: str) -> Action:
    """Return which right a write needs; for who may both nothing is looked up."""
    caller = current_caller()
    may_create, may_update = (caller.may(action, Resource.SECRET, namespace) for action in (Action.CREATE, Action.UPDATE))
    if may_create == may_update:
        return Action.UPDATE
    return Action.UPDATE if Secret.objects.filter(namespace=namespace, key=key).exists() else Action.CREATE


def describe_secret(
    namespace: str,
    key: str,
    *,
    at: datetime,
    actor: str = "",
    description: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Secret:
    """Change description and tags of a stored secret and keep its value. Raises NotFoundError."""
    missing = _no_such_secret(namespace, key)
    with act("secret.describe", Action.UPDATE, Resource.SECRET, namespace, key, missing=missing) as doing:
        row = _get_secret(namespace, key)
        doing.before = {"description": row.description, "tags": row.tags}
        if description is not None:
            row.description = description
        if tags is not None:
            row.tags = [dict(tag) for tag in tags]
        row.save(update_fields=["description", "tags", "updated_at"])
        doing.after = {"description": row.description, "tags": row.tags}
    log.info("secret.described", extra={"namespace": namespace, "key": key, "by": actor, "at": at.isoformat()})
    return row


def delete_secret(namespace: str, key: str, *, at: datetime, actor: str = "") -> None:
    """Delete a stored secret. Raises NotFoundError; secrets of the environment can only be unset there."""
    with act("secret.delete", Action.DELETE, Resource.SECRET, namespace, key, missing=_no_such_secret(namespace, key)):
        _get_secret(namespace, key).delete()
    log.info("secret.deleted", extra={"namespace": namespace, "key": key, "by": actor, "at": at.isoformat()})


def list_secrets(namespace: str | None = None, *, query: str = "") -> list[Secret]:
    """Return the stored secrets of one or all namespaces, sorted, without decrypting any: use names, descriptions and tags."""
    rows = visible(Secret).defer("encrypted").filter(key__icontains=query)
    return list(rows if namespace is None else rows.filter(namespace=namespace))


def list_inherited_secrets(namespace: str) -> dict[str, list[str]]:
    """Return namespace to names, for the namespace and its parents; the empty namespace stands for the environment."""
    found: dict[str, list[str]] = {owner: [] for owner in list_namespace_chain(namespace)}
    for owner, key in visible(Secret).filter(namespace__in=found).order_by("key").values_list("namespace", "key"):
        found[owner].append(key)
    of_environment = list_environment_secrets() if can_see(Resource.SECRET, namespace) else []
    return {**found, "": of_environment} if of_environment else found


def rotate_secrets(*, old_key: bytes, at: datetime, actor: str = "") -> int:
    """
    Encrypt every secret that was stored with `old_key` anew with the key of the settings, and return how many.

    All or none: a secret that the old key does not open ends the rotation with DecryptionError.

    Source: security, S-30.
    """
    mark = f".{key_id(old_key)}."
    with act("secret.rotate", Action.UPDATE, Resource.SETTING) as doing, transaction.atomic():
        rows = list(Secret.objects.select_for_update().filter(encrypted__contains=mark))
        for row in rows:
            change_secret_key(row, old_key=old_key)
        doing.after = {"count": len(rows)}
    log.info("secret.rotated", extra={"count": len(rows), "by": actor, "at": at.isoformat()})
    return len(rows)


def _describe(namespace: str, row: Namespace | None, flow_count: int) -> NamespaceInfo:
    if row is None:
        return NamespaceInfo(namespace, flow_count=flow_count)
    return NamespaceInfo(namespace, row.description, row.variables, row.plugin_defaults, is_described=True, flow_count=flow_count)


def _owns_anything(namespace: str) -> bool:
    below = f"{namespace}."
    return (
        Flow.objects.filter(namespace__startswith=below, deleted=False).exists()
        or Namespace.objects.filter(id__startswith=below).exists()
        or any(owned.objects.filter(namespace=namespace).exists() for owned in (KeyValue, Secret, NamespaceFile))
    )


def _lay_over(
    row: Namespace,
    description: str | None,
    variables: Mapping[str, Any] | None,
    plugin_defaults: Sequence[Mapping[str, Any]] | None,
) -> None:
    if description is not None:
        row.description = description
    if variables is not None:
        if not isinstance(variables, Mapping):
            raise InvalidError(
                f"The variables of namespace {row.id} must be a map of names to values.", code="namespace-variables"
            )
        row.variables = dict(variables)
    if plugin_defaults is not None:
        for entry in plugin_defaults:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
                raise InvalidError(
                    f"Every plugin default of namespace {row.id} must be a map with a type and values.", code="namespace-defaults"
                )
        row.plugin_defaults = [dict(entry) for entry in plugin_defaults]


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def _get_secret(namespace: str, key: str) -> Secret:
    row = Secret.objects.filter(namespace=namespace, key=key).first()
    if row is None:
        raise _no_such_secret(namespace, key)
    return row


def _no_such_secret(namespace: str, key: str) -> NotFoundError:
    return NotFoundError(f'Namespace {namespace} has no stored secret "{key}".', code="secret-not-found")


def count_owned(namespace: str) -> dict[str, int]:
    """Return how much of each kind a namespace owns, children left out: what a deletion takes with it, flows excepted."""
    return {
        "key-value pairs": visible(KeyValue).filter(namespace=namespace).count(),
        "secrets": visible(Secret).filter(namespace=namespace).count(),
        "files": visible(NamespaceFile).filter(namespace=namespace, is_current=True, is_directory=False).count(),
    }
