"""What is to be said about a text before it is a flow: its names, its faults and its warnings. Nothing is stored here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.engine.catalog import list_namespace_defaults
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import PluginDefault
from flows.language.parse import parse_flow, parse_task, parse_trigger
from flows.language.source import read_document, split_documents
from flows.models import Flow, Namespace
from flows.operations.templates import list_refused_templates
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.primitives.problems import Problem, Severity
from flows.primitives.rights import Resource
from flows.queries.visibility import can_see

_REVISION_NUMBER = re.compile(r"^revision[ \t]*:[ \t]*([0-9]{1,9})[ \t]*(?:#[^\n]*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DocumentCheck:
    """
    What is to be said about one document. `index` counts from 0; `namespace` and `flow_id` are None when they cannot be read;
    `outdated` tells that the document names an older revision than the stored one. `sketch` is what can be drawn, which is also
    there while types are unknown.
    """

    index: int
    namespace: str | None
    flow_id: str | None
    definition: TypedFlow | None = None
    problems: tuple[Problem, ...] = field(default_factory=tuple)
    outdated: bool = False
    sketch: TypedFlow | None = None

    def list_problems(self, severity: Severity) -> list[Problem]:
        """Return the problems of one severity, in the order of the document."""
        return [problem for problem in self.problems if problem.severity is severity]

    @property
    def is_valid(self) -> bool:
        """True when nothing in the document blocks it."""
        return not self.list_problems(Severity.ERROR)

    @property
    def is_nameable(self) -> bool:
        """True when the document names a flow that may exist, which is all that a draft needs."""
        return (
            self.namespace is not None
            and self.flow_id is not None
            and find_name_fault(NameKind.NAMESPACE, self.namespace) is None
            and find_name_fault(NameKind.FLOW, self.flow_id) is None
        )


def check_document(text: str) -> DocumentCheck:
    """
    Parse one document and validate it against the installed plugins and the defaults of its namespace. Nothing is stored.

    Source: flow language, 2.4.
    """
    defaults: Sequence[PluginDefault] = ()
    name, flow_id = find_names(text)
    # The faults of a document may quote the defaults, which strangers to the namespace must not read.
    if name and can_see(Resource.FLOW, name) and Namespace.objects.exclude(plugin_defaults=[]).exists():
        defaults = tuple(list_namespace_defaults(name))
    result = parse_flow(text, get_registry(), namespace_defaults=defaults)
    refused = [] if result.flow is None else list_refused_templates(result.flow)
    definition = None if refused else result.flow
    return DocumentCheck(0, name, flow_id, definition, (*result.problems, *refused), sketch=result.sketch)


def get_definition(text: str) -> TypedFlow:
    """Return the flow that a document says, as `check_document` reads it. Raises InvalidError with all its faults."""
    check = check_document(text)
    if check.definition is None:
        errors = check.list_problems(Severity.ERROR)
        raise InvalidError("; ".join(str(error) for error in errors), code="invalid-flow", problems=errors)
    return check.definition


def find_names(text: str) -> tuple[str | None, str | None]:
    """Return the namespace and the id that a document names, None for one that it does not name as a text."""
    data = read_document(text).data
    if not isinstance(data, dict):
        return None, None
    namespace, flow_id = data.get("namespace"), data.get("id")
    return (namespace if isinstance(namespace, str) else None), (flow_id if isinstance(flow_id, str) else None)


def validate_source(text: str) -> list[DocumentCheck]:
    """
    Check every document of a text that `---` lines divide. Nothing is stored.

    Returns:
        One entry per document, in order; one for a text without any.

    Source: REST API, 8.1; flow language, 2.4.
    """
    checks = []
    for index, document in enumerate(split_documents(text) or [text]):
        check = check_document(document)
        checks.append(
            DocumentCheck(index, check.namespace, check.flow_id, check.definition, check.problems, _is_outdated(document, check))
        )
    return checks


def check_task(text: str) -> DocumentCheck:
    """Check one task alone; what needs the rest of its flow is left out."""
    _, problems = parse_task(text, get_registry())
    return DocumentCheck(0, None, None, problems=tuple(problems))


def check_trigger(text: str) -> DocumentCheck:
    """Check one trigger alone."""
    _, problems = parse_trigger(text, get_registry())
    return DocumentCheck(0, None, None, problems=tuple(problems))


def _is_outdated(text: str, check: DocumentCheck) -> bool:
    named = _REVISION_NUMBER.search(text)
    if named is None or not check.namespace or not check.flow_id or not can_see(Resource.FLOW, check.namespace):
        return False
    stored = Flow.objects.filter(namespace=check.namespace, flow_id=check.flow_id, deleted=False).values_list(
        "revision", flat=True
    )
    return any(revision > int(named[1]) for revision in stored)
