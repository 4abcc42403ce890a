"""Flows as the engine uses them: typed, with their graph, cached per revision. A revision never changes, nor does its entry."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from flows.engine.graph import Graph, build_graph
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import PluginDefault
from flows.language.parse import parse_flow
from flows.models import Flow, FlowRevision, Namespace
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError, NotFoundError

log = logging.getLogger(__name__)

_CACHE_SIZE = 2_000

FlowKey = tuple[str, str, int]
"""Namespace, id and number of a revision."""


@dataclass(frozen=True, slots=True)
class LoadedFlow:
    """One revision, ready to run: the typed flow, its number, its text, its graph, and whether it is a draft."""

    flow: TypedFlow
    revision: int
    source: str
    graph: Graph
    draft: bool = False


_cache: OrderedDict[FlowKey, LoadedFlow] = OrderedDict()
_lock = threading.Lock()


def find_current(namespace: str, flow_id: str) -> Flow | None:
    """Return the row of a flow that is not deleted, or None."""
    return Flow.objects.filter(namespace=namespace, flow_id=flow_id, deleted=False).first()


def describe_missing_flow(namespace: str, flow_id: str) -> str:
    """Return the one message about a flow that does not exist; it tells strangers nothing about those that do."""
    return f'Flow not found: namespace "{namespace}" has no flow "{flow_id}". Check the spelling of both, or save the flow first.'


def missing_flow(namespace: str, flow_id: str, revision: int | None = None) -> NotFoundError:
    """Return the error about a flow, or a revision of one, that does not exist or is none of the caller's business."""
    if revision is None:
        return NotFoundError(describe_missing_flow(namespace, flow_id), code="flow-not-found")
    message = f'Flow not found: "{namespace}/{flow_id}" has no revision {revision}.'
    return NotFoundError(message, code="flow-revision-not-found")


def unpublished_flow(namespace: str, flow_id: str) -> InvalidError:
    """Return the error about a flow of which only drafts were saved, so that nothing of it can run."""
    message = f'Flow "{namespace}/{flow_id}" has only drafts: save a published revision first.'
    return InvalidError(message, code="flow-not-published")


def get_flow(namespace: str, flow_id: str, revision: int | None = None) -> LoadedFlow:
    """
    Return a revision of a flow, the newest published one when `revision` is None: whatever starts by itself asks for that.

    Raises:
        NotFoundError: there is no such flow or revision, or the flow was deleted and no revision was asked for.
        InvalidError: the stored text cannot be used (a plugin was removed, or it is a draft with faults), or no revision was
            asked for and none is published; the message says why.
    """
    if revision is None:
        revision = _find_published(namespace, flow_id)
        if revision is None:
            raise missing_flow(namespace, flow_id)
        if not revision:
            raise unpublished_flow(namespace, flow_id)
    key = (namespace, flow_id, revision)
    found = _recall(key)
    return found if found is not None else _remember(key, _load(*key))


def read_flows(keys: Iterable[FlowKey]) -> dict[FlowKey, LoadedFlow]:
    """
    Return many revisions, each named by namespace, id and number, in at most two statements. Unusable ones are left out.
    """
    wanted = list(dict.fromkeys(keys))
    found = {key: loaded for key in wanted if (loaded := _recall(key)) is not None}
    missing = [key for key in wanted if key not in found]
    if not missing:
        return found
    defaults = dict(Namespace.objects.exclude(plugin_defaults=[]).values_list("id", "plugin_defaults"))
    namespaces, flow_ids, numbers = (set(column) for column in zip(*missing, strict=True))
    rows = FlowRevision.objects.filter(flow__namespace__in=namespaces, flow__flow_id__in=flow_ids, revision__in=numbers)
    texts = {(row.flow.namespace, row.flow.flow_id, row.revision): row for row in rows.select_related("flow")}
    for key in missing:
        if key not in texts:
            continue
        try:
            found[key] = _remember(key, _parse(*key, texts[key], _pick_defaults(key[0], defaults)))
        except InvalidError as error:
            log.info("flow.unusable", extra={"flow": f"{key[0]}/{key[1]}", "reason": error.code})
    return found


def _recall(key: FlowKey) -> LoadedFlow | None:
    with _lock:
        found = _cache.get(key)
        if found is not None:
            _cache.move_to_end(key)
        return found


def _remember(key: FlowKey, loaded: LoadedFlow) -> LoadedFlow:
    with _lock:
        _cache[key] = loaded
        while len(_cache) > _CACHE_SIZE:
            _cache.popitem(last=False)
    return loaded


def _find_published(namespace: str, flow_id: str) -> int | None:
    """Return the published revision of a flow that is not deleted, 0 when it has only drafts: the one query of every start."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT revision FROM flows_flow WHERE namespace = %s AND flow_id = %s AND NOT deleted", [namespace, flow_id]
        )
        row = cursor.fetchone()
    return row[0] if row else None


def forget_flows() -> None:
    """Empty the cache: namespace defaults changed, or a test starts afresh."""
    with _lock:
        _cache.clear()


def _load(namespace: str, flow_id: str, revision: int) -> LoadedFlow:
    row = FlowRevision.objects.filter(flow__namespace=namespace, flow__flow_id=flow_id, revision=revision).first()
    if row is None:
        raise missing_flow(namespace, flow_id, revision)
    return _parse(namespace, flow_id, revision, row, list_namespace_defaults(namespace))


def _parse(namespace: str, flow_id: str, revision: int, row: FlowRevision, defaults: Sequence[PluginDefault]) -> LoadedFlow:
    result = parse_flow(row.source, get_registry(), namespace_defaults=defaults)
    if result.flow is None:
        reasons = "; ".join(str(problem) for problem in result.problems if problem.severity == "ERROR")
        what = "is a draft with faults" if row.draft else "cannot be used any more"
        raise InvalidError(
            f'Flow "{namespace}/{flow_id}" revision {revision} {what}: {reasons}',
            code="invalid-flow",
            problems=result.problems,
        )
    return LoadedFlow(result.flow, revision, row.source, build_graph(result.flow), row.draft)


def list_namespace_defaults(namespace: str) -> list[PluginDefault]:
    """Return the plugin defaults of a namespace and its parents, the most specific namespace first."""
    names = _list_chain(namespace)
    rows = Namespace.objects.filter(id__in=names).exclude(plugin_defaults=[])
    return _pick_defaults(namespace, dict(rows.values_list("id", "plugin_defaults")))


def _list_chain(namespace: str) -> list[str]:
    parts = namespace.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _pick_defaults(namespace: str, rows: Mapping[str, Any]) -> list[PluginDefault]:
    return [
        PluginDefault(type=default["type"], values=default.get("values") or {}, forced=bool(default.get("forced")))
        for name in _list_chain(namespace)
        for default in rows.get(name, [])
    ]
