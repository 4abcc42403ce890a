"""YAML text to a typed flow with every problem at once. The one way into the flow language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.language import definitions
from flows.language.declared_inputs import read_inputs
from flows.language.defaults import apply_defaults, read_outside_defaults
from flows.language.elements import (
    check_name,
    list_label_pairs,
    read_checks,
    read_concurrency,
    read_labels,
    read_outputs,
    read_plugin_defaults,
    read_quotas,
    read_retry,
    read_service_levels,
    read_worker_group,
)
from flows.language.flow import Flow, PluginDefault, Task, Trigger
from flows.language.listeners import read_listeners
from flows.language.reading import Reading
from flows.language.shapes import check_shape
from flows.language.source import Document, Path, read_document
from flows.language.tasks import read_task, read_tasks
from flows.language.triggers import read_trigger, read_triggers
from flows.language.validate import validate_flow
from flows.plugin_api.registry import Registry
from flows.primitives.identifiers import NameKind
from flows.primitives.problems import Problem, Severity

_OWNER = "the flow"


_UNKNOWN_TYPES = frozenset(f"unknown-{kind}-type" for kind in ("task", "trigger", "condition", "runner"))


@dataclass(frozen=True, slots=True)
class ParseResult:
    """
    What came of a text: `flow` is None if and only if a problem is an error; `problems` stand in the order of the text as far
    as they have a place. `sketch` is there, too, when types that no installed plugin provides are all that is wrong: it can be
    drawn, but not run.
    """

    flow: Flow | None
    problems: list[Problem] = field(default_factory=list)
    sketch: Flow | None = None

    def list_by(self, severity: Severity) -> list[Problem]:
        """Return the problems of one severity, in order."""
        return [problem for problem in self.problems if problem.severity is severity]


def parse_flow(
    text: str, registry: Registry, *, namespace_defaults: Sequence[PluginDefault | Mapping[str, Any]] = ()
) -> ParseResult:
    """
    Read, check and type one flow.

    Args:
        text: one YAML document.
        registry: the installed plugins.
        namespace_defaults: plugin defaults from outside the flow, most important first: its namespace, the parents of the
            namespace, the server. Mappings with `type`, `values`, `forced` and `ref` will do.

    Returns:
        The flow with aliases resolved and plugin defaults applied, and all problems. Never raises for what the text says.

    Source: flow language, 2.
    """
    document = read_document(text)
    reading = Reading(document, registry)
    data = _check_document(reading, document)
    flow = _read_flow(reading, data, read_outside_defaults(namespace_defaults)) if data is not None else None
    if flow is not None:
        validate_flow(flow, reading)
    problems = _sort(reading.problems)
    is_drawable = all(one.code in _UNKNOWN_TYPES for one in problems if one.severity is Severity.ERROR)
    return ParseResult(None if reading.has_errors else flow, problems, flow if is_drawable else None)


def parse_task(text: str, registry: Registry) -> tuple[Task | None, list[Problem]]:
    """Read one task alone; the task is None if and only if a problem is an error."""
    document = read_document(text)
    reading = Reading(document, registry)
    data = _check_document(reading, document, noun="task")
    task = read_task(reading, data, ()) if data is not None else None
    return None if reading.has_errors else task, _sort(reading.problems)


def parse_trigger(text: str, registry: Registry) -> tuple[Trigger | None, list[Problem]]:
    """Read one trigger alone; the trigger is None if and only if a problem is an error."""
    document = read_document(text)
    reading = Reading(document, registry)
    data = _check_document(reading, document, noun="trigger")
    trigger = read_trigger(reading, data, ()) if data is not None else None
    return None if reading.has_errors else trigger, _sort(reading.problems)


def _check_document(reading: Reading, document: Document, noun: str = "flow") -> dict[str, Any] | None:
    if isinstance(document.data, dict):
        return document.data
    if not reading.has_errors:
        code, what = ("empty-document", "is empty") if document.data is None else ("wrong-type", "is no mapping")
        reading.report(code, f"The document {what}, but must be a {noun}: a mapping with id and more.", ())
    return None


def _sort(problems: list[Problem]) -> list[Problem]:
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda item: (item.place.line, item.place.column) if item.place else (0, 0))


def _read_flow(reading: Reading, written: dict[str, Any], namespace_defaults: Sequence[PluginDefault]) -> Flow:
    data = _choose_defaults(reading, written)
    data = {key: item for key, item in data.items() if key not in {"revision", "tenantId"}}
    reading.document.adopt(data, written)
    defaults_key = "pluginDefaults" if "pluginDefaults" in data else "taskDefaults"
    own_defaults = read_plugin_defaults(reading, data.get(defaults_key), (defaults_key,))
    merged = apply_defaults(data, (*own_defaults, *namespace_defaults), reading.registry, on_copy=reading.document.adopt)
    checked = check_shape(reading, definitions.FLOW, merged, (), _OWNER)
    check_name(reading, NameKind.FLOW, checked.get("id"), ("id",))
    check_name(reading, NameKind.NAMESPACE, checked.get("namespace"), ("namespace",), noun="name")
    _report_old_forms(reading, data)
    after = read_tasks(reading, checked.get("afterExecution"), ("afterExecution",), _OWNER)
    reading_lists = {name: read_tasks(reading, checked.get(name), (name,), _OWNER) for name in ("errors", "finally")}
    return Flow(
        id=_text(checked.get("id")),
        namespace=_text(checked.get("namespace")),
        tasks=_read_main_tasks(reading, checked),
        description=checked.get("description"),
        labels=read_labels(reading, checked.get("labels"), ("labels",), may_set_read_only=True),
        inputs=read_inputs(reading, checked.get("inputs"), ("inputs",)),
        outputs=read_outputs(reading, checked.get("outputs"), ("outputs",)),
        variables=_mapping(checked.get("variables")),
        errors=reading_lists["errors"],
        finally_=reading_lists["finally"],
        after_execution=(*read_listeners(reading, checked.get("listeners"), ("listeners",)), *after),
        triggers=read_triggers(reading, checked.get("triggers"), ("triggers",)),
        concurrency=read_concurrency(checked.get("concurrency")),
        retry=read_retry(reading, checked.get("retry"), ("retry",), _OWNER),
        slas=read_service_levels(reading, checked.get("sla"), ("sla",)),
        checks=read_checks(reading, checked.get("checks"), ("checks",)),
        quotas=read_quotas(reading, checked.get("quotas"), ("quotas",)),
        plugin_defaults=own_defaults,
        disabled=checked.get("disabled") is True,
        worker_group=read_worker_group(reading, checked, ()),
        raw=_make_raw(data),
    )


def _read_main_tasks(reading: Reading, data: Mapping[str, Any]) -> tuple[Task, ...]:
    path: Path = ("tasks",) if "tasks" in data else ()
    if not path:
        reading.report("empty", f'Property "tasks" of {_OWNER} must not be empty.', (), hint="Give the flow at least one task.")
        return ()
    return read_tasks(reading, data["tasks"], path, _OWNER, needed=True)


def _choose_defaults(reading: Reading, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data with one of `pluginDefaults` and `taskDefaults`: the one that stands last. Source: flow language, 2.1."""
    both = [key for key in data if key in {"pluginDefaults", "taskDefaults"}]
    if len(both) < 2:
        return data
    reading.deprecate(f'"{both[0]}" is not used, because "{both[1]}" stands after it.', (both[0],), hint="Keep one of the two.")
    return {key: item for key, item in data.items() if key != both[0]}


def _report_old_forms(reading: Reading, data: Mapping[str, Any]) -> None:
    if data.get("listeners") is not None:
        reading.deprecate('"listeners" is an old form.', ("listeners",), hint='Write "afterExecution".')
    if data.get("pluginDefaults") is not None:
        reading.deprecate(
            '"pluginDefaults" in a flow is an old form.', ("pluginDefaults",), hint="Set the defaults of the namespace instead."
        )


def _make_raw(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document as the API shows it: labels as a list, no revision, defaults not applied."""
    raw = dict(data)
    if raw.get("labels") is not None:
        raw["labels"] = [{"key": key, "value": value} for key, value in list_label_pairs(raw["labels"])]
    return raw


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
