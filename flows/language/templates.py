"""Templates: stored lists of tasks that a flow takes in by name. Read here as text; stored and put in place elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flows.language import definitions
from flows.language.defaults import apply_defaults, read_outside_defaults
from flows.language.elements import check_name
from flows.language.flow import Flow, PluginDefault, Task
from flows.language.reading import Reading
from flows.language.shapes import check_shape
from flows.language.source import read_document
from flows.language.tasks import read_tasks
from flows.language.validate import find_problems, list_task_ids
from flows.plugin_api.registry import Registry
from flows.primitives.identifiers import NameKind
from flows.primitives.problems import Problem

_OWNER = "the template"
_SHAPE = definitions.record(
    {
        "id": definitions.text("Name of the template in its namespace; never changes."),
        "namespace": definitions.text("Owner of the template."),
        "tenantId": definitions.text("Ignored."),
        "revision": definitions.number("Ignored: computed on save."),
        "description": definitions.text("Markdown."),
        "tasks": definitions.part("tasks", "Put in place of the task that names the template."),
        "errors": definitions.part("tasks", "Run when one of them has failed."),
        "finally": definitions.part("tasks", "Run at their end, whatever happened."),
        "deleted": definitions.flag("Internal."),
    },
    required=("id", "namespace"),
)
_BRANCHES = ("tasks", "errors", "finally")


@dataclass(frozen=True, slots=True)
class Template:
    """
    One revision of a template. `branches` hold the lists that are not empty by `tasks`, `errors` and `finally`; `raw` is the
    document as plain data, for the API.
    """

    id: str
    namespace: str
    description: str | None = None
    branches: Mapping[str, tuple[Task, ...]] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)

    def all_tasks(self) -> Iterator[Task]:
        """Yield every task at every depth."""
        for tasks in self.branches.values():
            for task in tasks:
                yield from _walk(task)


def parse_template(
    text: str, registry: Registry, *, defaults: Sequence[PluginDefault | Mapping[str, Any]] = ()
) -> tuple[Template | None, list[Problem]]:
    """
    Read, check and type one template.

    Args:
        text: one YAML document with `id`, `namespace`, `tasks` and optionally `description`, `errors` and `finally`.
        defaults: plugin defaults of the flow that takes the template in, most important first; none when it is only saved.

    Returns:
        The template, None if and only if a problem is an error, and all problems. Never raises for what the text says.

    Source: flow language, 6.14.
    """
    document = read_document(text)
    reading = Reading(document, registry)
    if not isinstance(document.data, dict):
        if not reading.has_errors:
            reading.report("wrong-type", "The document must be a template: a mapping with id, namespace and tasks.", ())
        return None, reading.problems
    written = document.data
    merged = apply_defaults(written, read_outside_defaults(defaults), registry, on_copy=document.adopt)
    checked = check_shape(reading, _SHAPE, merged, (), _OWNER)
    check_name(reading, NameKind.FLOW, checked.get("id"), ("id",))
    check_name(reading, NameKind.NAMESPACE, checked.get("namespace"), ("namespace",), noun="name")
    lists = {name: read_tasks(reading, checked.get(name), (name,), _OWNER, needed=name == "tasks") for name in _BRANCHES}
    for problem in find_problems(
        Flow(id="", namespace="", tasks=lists["tasks"], errors=lists["errors"], finally_=lists["finally"])
    ):
        reading.add(problem)
    if reading.has_errors:
        return None, reading.problems
    branches = {name: tasks for name, tasks in lists.items() if tasks}
    raw = {key: value for key, value in written.items() if key not in {"revision", "tenantId"}}
    template = Template(checked["id"], checked["namespace"], checked.get("description"), branches, raw)
    return template, reading.problems


def list_template_tasks(flow: Flow) -> list[Task]:
    """Return the tasks of a flow that name a template, at every depth, in order."""
    return [task for task in flow.all_tasks() if task.arrangement == "template"]


def put_templates_in_place(flow: Flow, branches: Mapping[str, Mapping[str, tuple[Task, ...]]]) -> Flow:
    """
    Return the flow with lists of tasks below the tasks that name a template.

    Args:
        branches: id of such a task to the lists of its template; lists may hold such tasks in their turn. Tasks that are not
            named stay without children.
    """

    def rebuild(task: Task) -> Task:
        lists = branches.get(task.id, {}) if task.arrangement == "template" else task.branches
        return replace(task, branches={name: rebuild_all(tasks) for name, tasks in lists.items()}) if lists else task

    def rebuild_all(tasks: Sequence[Task]) -> tuple[Task, ...]:
        return tuple(rebuild(task) for task in tasks)

    return replace(
        flow,
        tasks=rebuild_all(flow.tasks),
        errors=rebuild_all(flow.errors),
        finally_=rebuild_all(flow.finally_),
        after_execution=rebuild_all(flow.after_execution),
    )


def find_double_task_id(template: Template, taken: set[str]) -> str | None:
    """Return the first id of the template's tasks that is in `taken` already, or None. Ids are unique in the whole flow."""
    return next((name for task in template.all_tasks() for name in list_task_ids(task) if name in taken), None)


def _walk(task: Task) -> Iterator[Task]:
    yield task
    for child in task.children():
        yield from _walk(child)
