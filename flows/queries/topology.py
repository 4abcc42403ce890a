"""Which flow depends on which: subflows that a flow starts, and flows whose end triggers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import F

from flows.engine.catalog import read_flows
from flows.language.flow import Flow as TypedFlow
from flows.models import Flow, FlowRevision
from flows.queries.visibility import visible

FLOW_TASK, FLOW_TRIGGER = "FLOW_TASK", "FLOW_TRIGGER"
_NAMING_WORD = "flowId"

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Topology:
    """Flows as (namespace, id) and the relations between them: source, target and kind."""

    flows: tuple[Name, ...]
    relations: tuple[tuple[Name, Name, str], ...]


def find_topology(
    start: Iterable[Name], *, upwards: bool = True, downwards: bool = True, expand: bool = False, steps: int = 1
) -> Topology:
    """
    Return the flows around `start`.

    Args:
        upwards: whether flows that lead to `start` are shown.
        downwards: whether flows that it leads to are shown.
        expand: follow relations to every distance instead of `steps`.
        steps: how many relations away a flow may be, from 1.
    """
    relations = list(dict.fromkeys(_list_relations()))
    found = set(start)
    frontier = set(found)
    kept: dict[tuple[Name, Name, str], None] = {}
    distance = 0
    while frontier and (expand or distance < steps):
        distance += 1
        fresh: set[Name] = set()
        for relation in relations:
            source, target, _ = relation
            if (downwards and source in frontier) or (upwards and target in frontier):
                kept[relation] = None
                fresh |= {source, target} - found
        found |= fresh
        frontier = fresh
    return Topology(tuple(sorted(found)), tuple(kept))


def find_whole_topology() -> Topology:
    """Return every relation between flows, and the flows that have one."""
    relations = tuple(dict.fromkeys(_list_relations()))
    return Topology(tuple(sorted({name for source, target, _ in relations for name in (source, target)})), relations)


def _list_relations() -> Iterator[tuple[Name, Name, str]]:
    known = set(visible(Flow).filter(deleted=False).values_list("namespace", "flow_id"))
    for (namespace, flow_id, _), loaded in read_flows(_list_naming_revisions()).items():
        definition, name = loaded.flow, (namespace, flow_id)
        for target in _list_subflows(definition):
            if target in known:
                yield name, target, FLOW_TASK
        for source in _list_upstream(definition):
            if source in known:
                yield source, name, FLOW_TRIGGER


def _list_naming_revisions() -> list[tuple[str, str, int]]:
    """Return the newest revisions whose texts may name another flow: most flows name none and need no reading."""
    rows = visible(FlowRevision).filter(flow__deleted=False, revision=F("flow__revision"), source__contains=_NAMING_WORD)
    named = rows.order_by("flow__namespace", "flow__flow_id")
    return list(named.values_list("flow__namespace", "flow__flow_id", "revision"))


def _list_subflows(definition: TypedFlow) -> Iterator[Name]:
    for task in definition.all_tasks():
        namespace, flow_id = task.properties.get("namespace"), task.properties.get("flowId")
        if task.role == "executable" and isinstance(namespace, str) and isinstance(flow_id, str):
            yield namespace, flow_id


def _list_upstream(definition: TypedFlow) -> Iterator[Name]:
    for trigger in definition.triggers:
        if trigger.family != "flow":
            continue
        sources = [*trigger.conditions]
        for name in ("preconditions", "dependsOn"):
            held = trigger.properties.get(name)
            if isinstance(held, dict):
                sources += [one for one in held.get("flows", ()) or () if isinstance(one, dict)]
            elif isinstance(held, (list, tuple)):
                sources += [one for one in held if isinstance(one, dict)]
        for source in sources:
            namespace, flow_id = source.get("namespace"), source.get("flowId")
            if isinstance(namespace, str) and isinstance(flow_id, str):
                yield namespace, flow_id
