"""What the buttons of an execution's page do, and the files of executions."""

from __future__ import annotations

import csv
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.operations import executions as operations
from flows.primitives.errors import FlowsError, InvalidError
from flows.queries import executions as queries
from flows.queries.flows import get_flow_text
from flows.storage import get_storage
from flows.storage.uri import check_may_read
from flows.ui.input_fields import PREFIX, read_inputs
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.painters.log_lines import paint_message
from flows.ui.views.execution import find_paused_task, get_named
from flows.ui.views.execution_list import change_one

PREVIEW_BYTES = 1024 * 1024
PREVIEW_ROWS = 100
_NOTES = {
    "kill": "Being killed",
    "pause": "Paused",
    "resume": "Resumed",
    "restart": "Restarted",
    "replay": "Replayed: this is the new execution",
    "unqueue": "Taken out of the queue",
    "force-run": "Pushed",
    "approve": "Approved",
    "deny": "Denied",
    "labels": "Labels saved",
    "state": "State changed",
}


def act(request: HttpRequest, namespace: str, flow_id: str, execution_id: str, action: str) -> HttpResponse:
    """Do one action and lead to the execution that results from it; what the operation refuses is told on the same page."""
    execution = get_named(namespace, flow_id, execution_id)
    actor, at = name_of(request), timezone.now()
    try:
        if action in ("approve", "deny"):
            changed = operations.review_execution(
                execution_id,
                decision=action,
                comment=request.POST.get("comment") or None,
                inputs=_read_asked(request, execution_id),
                at=at,
                actor=actor,
            )
        elif action == "labels":
            changed = operations.set_execution_labels(execution_id, labels=_read_labels(request), at=at, actor=actor)
        elif action == "state":
            changed = operations.change_execution_status(execution_id, status=request.POST.get("state", ""), at=at, actor=actor)
        else:
            result = change_one(execution_id, action, actor=actor, **_read_extra(request, action, execution_id))
            if result is None:
                return redirect("executions", note=f"Execution {execution_id} deleted")
            changed = result
    except FlowsError as error:
        return redirect("execution", namespace, flow_id, execution.id, problem=error.message[:500])
    return redirect("execution", namespace, flow_id, changed.id, note=_NOTES.get(action, "Done"))


def _read_extra(request: HttpRequest, action: str, execution_id: str) -> dict[str, Any]:
    if action == "resume":
        return {"inputs": _read_asked(request, execution_id)}
    extra: dict[str, Any] = {}
    if action in ("replay", "restart") and (number := request.POST.get("revision", "")):
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise InvalidError(f'The revision must be a whole number; got "{number[:20]}".', code="revision")
        extra["revision"] = int(number)
    if action == "replay" and request.POST.get("task_run"):
        extra["task_run_id"] = request.POST["task_run"]
    return extra


def _read_asked(request: HttpRequest, execution_id: str) -> dict[str, Any]:
    if not any(name.startswith(PREFIX) for name in (*request.POST, *request.FILES)):
        return {}
    execution = queries.get_execution(execution_id)
    definition = get_flow_text(execution.namespace, execution.flow_id, execution.flow_revision, allow_deleted=True).definition
    task = find_paused_task(execution, queries.list_task_runs(execution_id), definition)
    return read_inputs(request, task.inputs) if task else {}


def _read_labels(request: HttpRequest) -> list[tuple[str, str]]:
    pairs = []
    for part in request.POST.get("labels", "").replace("\n", ",").split(","):
        key, colon, value = part.strip().partition(":")
        if part.strip():
            if not colon:
                raise InvalidError(f'Label "{part.strip()[:100]}" must be written as key:value.', code="label-form")
            pairs.append((key.strip(), value.strip()))
    return pairs


def preview_file(request: HttpRequest, execution_id: str) -> HttpResponse:
    """Show the beginning of a stored file as text or as a table; never as something that a browser runs."""
    execution = queries.get_execution(execution_id)
    address = check_may_read(
        request.GET.get("path", ""),
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        execution_id=execution.id,
        related_execution_ids=queries.list_related_ids(execution),
    )
    storage = get_storage()
    with storage.open_read(str(address)) as stream:
        content = stream.read(PREVIEW_BYTES + 1)
    size = storage.size(str(address))
    name = address.parts[-1]
    context = {
        "name": name,
        "size": size,
        "is_cut": len(content) > PREVIEW_BYTES,
        "download_url": f"/api/v1/main/executions/{execution.id}/file?path={address}",
        "execution": execution,
        **_make_preview(name, content[:PREVIEW_BYTES]),
    }
    crumbs = [Crumb("Executions", "/ui/executions"), Crumb(execution.id, f"/ui/e/{execution.id}"), Crumb(name)]
    return answer_page(request, "flows/file.html", context, title=name, nav="executions", crumbs=crumbs)


def _make_preview(name: str, content: bytes) -> dict[str, Any]:
    if b"\0" in content[:4096]:
        lines = [
            f"{start:08x}  {content[start : start + 16].hex(' '):<47}  "
            + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in content[start : start + 16])
            for start in range(0, min(len(content), 4096), 16)
        ]
        return {"text": "\n".join(lines), "kind": "bytes"}
    text = content.decode("utf-8", "replace")
    extension = name.rpartition(".")[2].lower()
    if extension in ("csv", "tsv"):
        return {"kind": "table", "table": _read_table(text, "\t" if extension == "tsv" else ",")}
    if extension == "md":
        return {"kind": "markdown", "text": text}
    return {"kind": "text", "text": paint_message(text) if len(text) < 8000 else text}


def _read_table(text: str, separator: str) -> list[list[str]]:
    rows = csv.reader(text.splitlines(), delimiter=separator)
    found: list[list[str]] = []
    try:
        for row in rows:
            found.append(row[:50])
            if len(found) > PREVIEW_ROWS:
                break
    except csv.Error:
        return found
    return found
