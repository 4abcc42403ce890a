"""Templates in an execution: chosen once, when it begins, and put in place of the tasks that name them for its whole life."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.conf import get_settings
from flows.engine.board import Root
from flows.engine.catalog import LoadedFlow, get_flow, list_namespace_defaults
from flows.engine.graph import Graph, build_graph
from flows.engine.playground import PLAYGROUND, load_part
from flows.expressions import ExpressionError
from flows.language.flow import Flow, Task
from flows.language.templates import (
    Template,
    find_double_task_id,
    list_template_tasks,
    parse_template,
    put_templates_in_place,
)
from flows.language.validate import list_task_ids
from flows.models.template import Template as TemplateRow
from flows.models.template import TemplateRevision
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError, InvalidError, NotFoundError

if TYPE_CHECKING:
    from flows.engine.turn import Turn

FROZEN = "templates"
"""
Key in an execution's progress. Its value maps the id of a task that names a template to `{namespace, templateId, revision}`,
or to `{problem}` when no template could be put in its place.
"""

_CACHE_SIZE = 200

_graphs: OrderedDict[tuple[Any, ...], tuple[LoadedFlow, Graph]] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Choice:
    """One revision of a template: what an execution remembers of it."""

    namespace: str
    template_id: str
    revision: int


def get_graph(root: Root) -> Graph:
    """
    Return the graph on which an execution runs: that of its revision with the chosen templates in place, or the one of its
    iteration for an execution of a Loop. Raises NotFoundError or InvalidError when a text cannot be used any more.
    """
    part = root.progress.get(PLAYGROUND)
    loaded = load_part(part, root.flow_revision) if part else get_flow(root.namespace, root.flow_id, root.flow_revision)
    graph = put_in_place(loaded, root.progress.get(FROZEN))
    if root.kind == "LOOP" and root.loop:
        graph = graph.iteration_graph(root.loop["taskId"])
    return graph


def put_in_place(loaded: LoadedFlow, frozen: Mapping[str, Mapping[str, Any]] | None) -> Graph:
    """Return the graph of a revision with the templates that an execution chose; without any, the revision's own."""
    chosen = _read_choices(frozen or {})
    if not chosen:
        return loaded.graph
    flow = loaded.flow
    key = (flow.namespace, flow.id, loaded.revision, *sorted((task_id, *_as_key(choice)) for task_id, choice in chosen.items()))
    with _lock:
        found = _graphs.get(key)
        # A revision that was read anew may have other plugin defaults.
        if found is not None and found[0] is loaded:
            _graphs.move_to_end(key)
            return found[1]
    branches = {task_id: _load(choice, flow).branches for task_id, choice in chosen.items()}
    graph = build_graph(put_templates_in_place(flow, branches))
    with _lock:
        _graphs[key] = (loaded, graph)
        while len(_graphs) > _CACHE_SIZE:
            _graphs.popitem(last=False)
    return graph


def freeze_templates(turn: Turn) -> None:
    """
    Choose the newest revision of every template that the execution names, and put it in place on the turn's board.

    Called when the execution begins, also again after a restart: what was chosen stays, what was missing gets another chance.
    A template that cannot be used does not end the execution here; its task fails with the reason when its turn comes.
    Source: flow language, 6.14.
    """
    board = turn.board
    root = board.root
    known = root.progress.get(FROZEN, {})
    is_complete = bool(known) and all("revision" in entry for entry in known.values())
    if is_complete or not list_template_tasks(board.graph.flow):
        return
    loaded = get_flow(root.namespace, root.flow_id, root.flow_revision)
    frozen = {task_id: entry for task_id, entry in known.items() if "revision" in entry}
    _Freezing(turn, loaded.flow, frozen).run()
    root.progress[FROZEN] = frozen
    root.is_changed = True
    board.graph = get_graph(root)
    for run in board.runs.values():
        run.node = board.graph.get(run.task_id)


def explain_missing(root: Root, task_id: str) -> str:
    """Return why no template stands in the place of a task; empty when one does."""
    entry = root.progress.get(FROZEN, {}).get(task_id)
    if entry is None:
        return f'Task "{task_id}" was not there when the execution began, so no template was chosen for it.'
    return str(entry.get("problem", ""))


class _Freezing:
    """Chooses templates from the outermost inwards: a template may name others."""

    def __init__(self, turn: Turn, flow: Flow, frozen: dict[str, dict[str, Any]]) -> None:
        self._turn, self._flow, self._frozen = turn, flow, frozen
        self._taken = {name for task in flow.all_tasks() for name in list_task_ids(task)}

    def run(self) -> None:
        pending: list[tuple[Task, tuple[str, ...]]] = [(task, ()) for task in list_template_tasks(self._flow)]
        while pending:
            task, above = pending.pop(0)
            try:
                choice, template = self._choose(task, above)
            except FlowsError as error:
                self._frozen[task.id] = {"problem": error.message}
                continue
            self._frozen[task.id] = {
                "namespace": choice.namespace,
                "templateId": choice.template_id,
                "revision": choice.revision,
            }
            inner = [each for each in template.all_tasks() if each.arrangement == "template"]
            pending += [(each, (*above, _name_of(choice))) for each in inner]

    def _choose(self, task: Task, above: tuple[str, ...]) -> tuple[_Choice, Template]:
        entry = self._frozen.get(task.id)
        choice = _Choice(entry["namespace"], entry["templateId"], entry["revision"]) if entry else self._find_newest(task)
        if _name_of(choice) in above:
            raise InvalidError(f'Template "{_name_of(choice)}" takes itself in, through task "{task.id}": remove the circle.')
        template = _load(choice, self._flow)
        double = find_double_task_id(template, self._taken)
        if double is not None:
            raise InvalidError(
                f'Template "{_name_of(choice)}" has a task "{double}", and so has the flow or another template in it. Task ids '
                "are unique in the whole flow: rename one of the two.",
                code="duplicate-task",
            )
        self._taken.update(name for each in template.all_tasks() for name in list_task_ids(each))
        return choice, template

    def _find_newest(self, task: Task) -> _Choice:
        if not get_settings().templates_enabled:
            raise InvalidError(
                f'Task "{task.id}" names a template, but templates are switched off here: set CELESTRA_TEMPLATES_ENABLED=true.',
                code="templates-disabled",
            )
        namespace, template_id = (self._render(task, name) for name in ("namespace", "templateId"))
        row = TemplateRow.objects.filter(namespace=namespace, template_id=template_id, deleted=False).first()
        if row is None:
            raise NotFoundError(
                f'Template not found: namespace "{namespace}" has no template "{template_id}", which task "{task.id}" names.',
                code="template-not-found",
            )
        return _Choice(namespace, template_id, row.revision)

    def _render(self, task: Task, name: str) -> str:
        try:
            return str(self._turn.render(None, task.properties.get(name)))
        except ExpressionError as error:
            raise InvalidError(
                f'Property "{name}" of task "{task.id}" must be known when the execution begins: {error.message}'
            ) from error


def _read_choices(frozen: Mapping[str, Mapping[str, Any]]) -> dict[str, _Choice]:
    return {
        task_id: _Choice(entry["namespace"], entry["templateId"], entry["revision"])
        for task_id, entry in frozen.items()
        if "revision" in entry
    }


def _name_of(choice: _Choice) -> str:
    return f"{choice.namespace}/{choice.template_id}"


def _as_key(choice: _Choice) -> tuple[str, str, int]:
    return choice.namespace, choice.template_id, choice.revision


def _load(choice: _Choice, flow: Flow) -> Template:
    """Return a revision of a template, typed with the plugin defaults of the flow that takes it in."""
    row = TemplateRevision.objects.filter(
        template__namespace=choice.namespace, template__template_id=choice.template_id, revision=choice.revision
    ).first()
    if row is None:
        raise NotFoundError(
            f'Template not found: "{_name_of(choice)}" has no revision {choice.revision}.', code="template-not-found"
        )
    defaults = (*flow.plugin_defaults, *list_namespace_defaults(flow.namespace))
    template, problems = parse_template(row.source, get_registry(), defaults=defaults)
    if template is None:
        reasons = "; ".join(str(problem) for problem in problems if problem.severity == "ERROR")
        raise InvalidError(
            f'Template "{_name_of(choice)}" revision {choice.revision} cannot be used any more: {reasons}',
            code="invalid-template",
        )
    return template
