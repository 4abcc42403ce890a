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
from flows.operations.flows import save_flow
from flows.primitives.errors import InvalidError
from flows.queries.flows import get_flow_text

_REPLACEMENT = object_of(
    ["q", "replacement"],
    q=TEXT,
    replacement=TEXT,
    namespace=TEXT,
    caseSensitive=FLAG,
    wholeWord=FLAG,
    regex=FLAG,
    flowId=TEXT,
    line=NUMBER,
)
_CHANGED = list_of(OBJECT)


def _read_replacement(body: dict[str, Any]) -> operations.Replacement:
    search = next((body[name] for name in ("q", "query", "search") if name in body), None)
    by = next((body[name] for name in ("replacement", "replace", "replaceWith") if name in body), None)
    namespace = body.get("namespace") or ""
    if not isinstance(search, str) or not isinstance(by, str) or not isinstance(namespace, str):
        raise InvalidError('The body must hold the texts "q" and "replacement", and may hold "namespace".', code="json-shape")
    flags = [body.get(name) is True for name in ("caseSensitive", "wholeWord", "regex")]
    return operations.Replacement(search, by, namespace, *flags)


def _present(changed: operations.ChangedFlow) -> dict[str, Any]:
    data: dict[str, Any] = {
        "namespace": changed.namespace,
        "id": changed.flow_id,
        "flowId": changed.flow_id,
        "revision": changed.revision,
        "lines": [{"line": one.number, "before": one.before, "after": one.after} for one in changed.lines],
    }
    return {**data, "error": changed.error} if changed.error else data


@describes(body=_REPLACEMENT, answer=_CHANGED)
def preview(request: Request) -> HttpResponse:
    """Return the lines that a replacement would change. Nothing is stored."""
    return answer([_present(one) for one in operations.preview_replacement(_read_replacement(read_object(request)))])


@describes(body=_REPLACEMENT, answer=_CHANGED)
def apply(request: Request) -> HttpResponse:
    """Save every flow that a replacement changes; one that would become invalid stays and says why."""
    wanted = _read_replacement(read_object(request))
    return answer([_present(one) for one in operations.apply_replacement(wanted, at=now(), actor=name_of(request))])


@describes(body=_REPLACEMENT, answer=OBJECT)
def replace_line(request: Request) -> HttpResponse:
    """Save one flow with the replacement done in one line."""
    body = read_object(request)
    flow_id, number = body.get("flowId") or body.get("id"), body.get("line")
    namespace = body.get("namespace")
    is_number = isinstance(number, int) and not isinstance(number, bool)
    if not isinstance(flow_id, str) or not isinstance(namespace, str) or not is_number:
        raise InvalidError('The body must hold the texts "namespace" and "flowId" and the number "line".', code="json-shape")
    changed = operations.replace_line(
        _read_replacement(body), namespace=namespace, flow_id=flow_id, number=int(number or 0), at=now(), actor=name_of(request)
    )
    return answer(_present(changed))


@describes(body=FLOW_BODIES, answer="Flow")
def update_task(request: Request, namespace: str, flow_id: str, task_id: str) -> HttpResponse:
    """Replace one task of a flow and save it; the rest of the text stays as it is, comments included."""
    document = read_document(read_source(request)).data
    if not isinstance(document, dict) or document.get("id") != task_id:
        raise InvalidError(f'The body must be a task whose id is "{task_id}".', code="task-id")
    found = get_flow_text(namespace, flow_id)
    written = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    path = find_element(found.revision.source, task_id)
    source = remove_item(insert_item(found.revision.source, path[:-1], int(path[-1]) + 1, written), path)
    saved = save_flow(source, namespace=namespace, flow_id=flow_id, mode="update", at=now(), actor=name_of(request))
    return answer(present_flow(saved.flow, saved.definition, source=saved.revision.source))
