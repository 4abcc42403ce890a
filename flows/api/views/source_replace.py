"""Search and replace over the sources of flows, and the change of one task in a flow."""

from __future__ import annotations

from typing import Any

import yaml
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer
from flows.api.auth import name_of
from flows.api.describing import FLAG, FLOW_BODIES, NUMBER, OBJECT, TEXT, describes, list_of, object_of
from flows.api.endpoint import now, read_object
from flows.api.presenters import present_flow
from flows.api.sources import read_source
from flows.language.source import read_document
from flows.language.text_edits import find_element, insert_item, remove_item
from flows.operations import source_replacing as operations
from flows.operations.flow_rewriting import rewrite_flow
from flows.primitives.errors import InvalidError, NotFoundError
from flows.queries.flows import get_executable_text, get_flow_text

_SEARCH = {"query": TEXT, "replacement": TEXT, "caseSensitive": FLAG, "wholeWord": FLAG, "regex": FLAG}
_PREVIEWED = object_of(
    ["totalMatches", "totalFlows", "editableFlowCount", "flows"],
    totalMatches=NUMBER,
    totalFlows=NUMBER,
    editableFlowCount=NUMBER,
    flows=list_of(OBJECT),
)


def _read_replacement(body: dict[str, Any]) -> operations.Replacement:
    search = next((body[name] for name in ("query", "q", "search") if name in body), None)
    by = next((body[name] for name in ("replacement", "replace", "replaceWith") if name in body), None)
    namespace = body.get("namespace") or ""
    if not isinstance(search, str) or not isinstance(by, str) or not isinstance(namespace, str):
        raise InvalidError('The body must hold the texts "query" and "replacement", and may hold "namespace".', code="json-shape")
    flags = [body.get(name) is True for name in ("caseSensitive", "wholeWord", "regex")]
    return operations.Replacement(search, by, namespace, *flags)


def _read_flows(body: dict[str, Any]) -> list[tuple[str, str]] | None:
    flows = body.get("flows")
    if flows is None:
        return None
    if not isinstance(flows, list) or not all(isinstance(one, dict) for one in flows):
        raise InvalidError('"flows" must be a list of objects with "namespace" and "id".', code="json-shape")
    names = [(one.get("namespace"), one.get("id")) for one in flows]
    if not all(isinstance(namespace, str) and isinstance(flow_id, str) for namespace, flow_id in names):
        raise InvalidError('Each of "flows" must hold the texts "namespace" and "id".', code="json-shape")
    return [(str(namespace), str(flow_id)) for namespace, flow_id in names]


def _present_lines(changed: operations.ChangedFlow) -> list[dict[str, Any]]:
    return [{"line": one.number, "before": one.before, "after": one.after} for one in changed.lines]


def _present_saved(namespace: str, flow_id: str) -> dict[str, Any]:
    found = get_executable_text(namespace, flow_id)
    revision = found.revision
    return present_flow(found.flow, found.definition, revision=revision.revision, draft=revision.draft, source=revision.source)


@describes(body=object_of(["query", "replacement"], namespace=TEXT, **_SEARCH), answer=_PREVIEWED)
def preview(request: Request) -> HttpResponse:
    """Return the lines that a replacement would change. Nothing is stored."""
    found = operations.preview_replacement(_read_replacement(read_object(request)))
    flows = [{"namespace": one.namespace, "id": one.flow_id, "editable": True, "matches": _present_lines(one)} for one in found]
    matches = sum(len(one.lines) for one in found)
    return answer({"totalMatches": matches, "totalFlows": len(flows), "editableFlowCount": len(flows), "flows": flows})


@describes(
    body=object_of(["query", "replacement"], namespace=TEXT, flows=list_of("FlowName"), **_SEARCH),
    answer=object_of(["updated", "skipped"], updated=list_of("Flow"), skipped=list_of(OBJECT)),
)
def apply(request: Request) -> HttpResponse:
    """Save every flow that a replacement changes; one that would become invalid stays and says why."""
    body = read_object(request)
    flows = _read_flows(body)
    done = operations.apply_replacement(_read_replacement(body), flows, at=now(), actor=name_of(request))
    updated = [_present_saved(one.namespace, one.flow_id) for one in done if not one.error]
    skipped = [
        {"namespace": one.namespace, "id": one.flow_id, "reason": "INVALID_FLOW", "message": one.error}
        for one in done
        if one.error
    ]
    touched = {(one.namespace, one.flow_id) for one in done}
    skipped += [_explain_untouched(*name) for name in dict.fromkeys(flows or ()) if name not in touched]
    return answer({"updated": updated, "skipped": skipped})


def _explain_untouched(namespace: str, flow_id: str) -> dict[str, Any]:
    try:
        get_flow_text(namespace, flow_id)
    except NotFoundError:
        return {"namespace": namespace, "id": flow_id, "reason": "NOT_FOUND"}
    return {"namespace": namespace, "id": flow_id, "reason": "NO_MATCH"}


@describes(
    body=object_of(["query", "replacement", "namespace", "id", "line"], namespace=TEXT, id=TEXT, line=NUMBER, **_SEARCH),
    answer="Flow",
)
def replace_line(request: Request) -> HttpResponse:
    """Save one flow with the replacement done in one line, and return it; `lines` shows what changed."""
    body = read_object(request)
    flow_id, number = body.get("id") or body.get("flowId"), body.get("line")
    namespace = body.get("namespace")
    is_number = isinstance(number, int) and not isinstance(number, bool)
    if not isinstance(flow_id, str) or not isinstance(namespace, str) or not is_number:
        raise InvalidError('The body must hold the texts "namespace" and "id" and the number "line".', code="json-shape")
    changed = operations.replace_line(
        _read_replacement(body), namespace=namespace, flow_id=flow_id, number=int(number or 0), at=now(), actor=name_of(request)
    )
    return answer({**_present_saved(namespace, flow_id), "lines": _present_lines(changed)})


@describes(body=FLOW_BODIES, answer="Flow")
def update_task(request: Request, namespace: str, flow_id: str, task_id: str) -> HttpResponse:
    """Replace one task of a flow and save it; the rest of the text stays as it is, comments included."""
    document = read_document(read_source(request)).data
    if not isinstance(document, dict) or document.get("id") != task_id:
        raise InvalidError(f'The body must be a task whose id is "{task_id}".', code="task-id")
    written = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)

    def replace_task(source: str) -> str:
        path = find_element(source, task_id)
        return remove_item(insert_item(source, path[:-1], int(path[-1]) + 1, written), path)

    saved = rewrite_flow(namespace, flow_id, replace_task, at=now(), actor=name_of(request))
    revision = saved.revision
    return answer(
        present_flow(saved.flow, saved.definition, revision=revision.revision, draft=revision.draft, source=revision.source)
    )
