"""The panels beside the code of a flow: documentation, form of a task, inputs, files, blueprints, playground. Fragments only."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from flows.models import LogEntry, TaskRun
from flows.operations import namespace_files
from flows.operations.flow_checks import check_document
from flows.operations.input_previews import preview_inputs
from flows.operations.playground import list_playground_runs
from flows.plugin_api.registry import get_registry
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL
from flows.queries.blueprints import list_blueprints
from flows.queries.flows import get_flow_text
from flows.queries.last_runs import list_newest_runs
from flows.queries.visibility import visible
from flows.ui.editing.explanations import evaluate, explain
from flows.ui.editing.node_forms import make_form
from flows.ui.editing.suggestions import show_value
from flows.ui.editing.texts import read_spot
from flows.ui.input_fields import convert_typed, make_fields, read_entries, read_touched
from flows.ui.painters.diff import paint_difference
from flows.ui.previews import IMAGES, make_preview
from flows.ui.views.editor import last_run_of, names_of, read_body, read_form, read_number
from flows.ui.views.namespaces import make_tree
from flows.ui.views.plugins import list_properties

SHOWN_FILES = 300
SHOWN_LOGS = 200
MOST_OPEN = 8
EDITED_BYTES = 256 * 1024


def show_panel(request: HttpRequest, panel: str) -> HttpResponse:
    """Answer with one panel for the text and the place of the cursor that the body names."""
    makers = {
        "docs": _docs,
        "form": _form,
        "inputs": _inputs,
        "files": _files,
        "blueprints": _blueprints,
        "playground": _playground,
        "difference": _difference,
    }
    maker = makers.get(panel)
    if maker is None:
        raise NotFoundError(f'The editor has no panel "{panel[:40]}".', code="unknown-panel")
    body = read_body(request)
    try:
        context = maker(body, body["source"])
    except FlowsError as error:
        return HttpResponse(render_to_string("flows/editor/nothing.html", {"said": error.message}, request))
    return HttpResponse(render_to_string(f"flows/editor/{panel}.html", {**context, "body": body}, request))


def _docs(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    find_last = last_run_of(source, body)
    line, column = read_number(body, "line"), read_number(body, "column")
    found = explain(source, line, column, registry=get_registry(), find_last=find_last)
    entry = found.entry if found else None
    namespace, flow_id = names_of(source, body)
    runs = list_newest_runs(namespace, flow_id, at=timezone.now(), count=10) if flow_id else []
    context: dict[str, Any] = {
        "found": found,
        "entry": entry,
        "properties": list_properties(entry.schema) if entry else [],
        "outputs": list_properties(entry.outputs) if entry else [],
        "runs": runs,
    }
    expression, chosen = str(body.get("expression", ""))[:2000], str(body.get("execution", ""))
    # What stands under the cursor is what one most often wants to know.
    context["expression"] = f"{{{{{read_spot(source, line, column).expression or ''}}}}}".replace("{{}}", "")
    if expression and (chosen or runs):
        wanted = chosen if any(run.id == chosen for run in runs) else runs[0].id
        text = expression if "{{" in expression or "{%" in expression else f"{{{{ {expression} }}}}"
        context |= {"expression": expression, "chosen": wanted}
        try:
            context["result"] = evaluate(wanted, text)
        except FlowsError as error:
            context["fault"] = error.message
    return context


def _form(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    kind = "trigger" if body.get("kind") == "trigger" else "task"
    return {"form": make_form(source, str(body.get("element", "")), kind, get_registry())}


def _inputs(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    definition, at = check_document(source).definition, timezone.now()
    if definition is None:
        raise NotFoundError("The form is drawn as soon as the text is valid.")
    form = read_form(body)
    typed, touched = read_entries(form, definition.inputs), read_touched(form)
    preview = preview_inputs(definition, convert_typed(definition.inputs, typed, at=at), at=at)
    resolved = preview.resolved if preview is not None else None
    return {
        "fields": make_fields(definition.inputs, given=typed, resolved=resolved, show_errors=touched),
        "touched": "\n".join(form.getlist("touched")),
        "checks": preview.checks if preview is not None else (),
        "is_rendered": preview is not None,
    }


def _files(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    namespace = names_of(source, body)[0]
    if not namespace:
        return {"namespace": ""}
    names = namespace_files.search_files(namespace)
    wanted = body.get("open")
    listed = {f"/{str(one).lstrip('/')}" for one in wanted} if isinstance(wanted, list) else set()
    opened = [name for name in names if name in listed]
    shown = f"/{str(body.get('file') or '').lstrip('/')}"
    return {
        "namespace": namespace,
        "tree": make_tree(names[:SHOWN_FILES]),
        "opened": opened[:MOST_OPEN],
        "may_write": current_caller().may(Action.UPDATE, Resource.FILE, namespace),
        "may_delete": current_caller().may(Action.DELETE, Resource.FILE, namespace),
        **(_read_file(namespace, shown) if shown in names else {}),
    }


def _read_file(namespace: str, path: str) -> dict[str, Any]:
    """Return a file as text that can be edited, or why it cannot be and what is in it."""
    size = namespace_files.stat_file(namespace, path).size_bytes
    with namespace_files.open_file(namespace, path) as stream:
        content = stream.read(EDITED_BYTES + 1)
    shown: dict[str, Any] = {"shown": path, "is_text": False}
    if len(content) > EDITED_BYTES:
        return {**shown, "why_not": f"The file is larger than {EDITED_BYTES // 1024} KB, which is too much to edit here."}
    if b"\0" not in content:
        return {**shown, "is_text": True, "text": content.decode("utf-8", "replace")}
    preview = make_preview(path, BytesIO(content), size)
    kind = IMAGES.get(path.rpartition(".")[2].lower(), "")
    # A picture stands in the page itself, where it can do nothing, and no address would serve it.
    picture = f"data:{kind};base64,{b64encode(content).decode()}" if kind else ""
    is_shown = bool(picture) or preview.kind in ("table", "archive", "hex")
    return {**shown, "why_not": "The file holds no characters.", "preview": preview if is_shown else None, "picture": picture}


def _blueprints(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    text = str(body.get("q", ""))[:100]
    return {"blueprints": list_blueprints(text)[:40], "text": text}


def _difference(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    namespace, flow_id = names_of(source, body)
    saved = get_flow_text(namespace, flow_id).revision.source if body.get("flow") else ""
    return {"difference": paint_difference(saved, source)}


def _playground(body: Mapping[str, Any], source: str) -> dict[str, Any]:
    namespace, flow_id = names_of(source, body)
    runs = list_playground_runs(namespace, flow_id) if flow_id else []
    chosen = next((run for run in runs if run.id == body.get("execution")), runs[0] if runs else None)
    context: dict[str, Any] = {"runs": runs, "chosen": chosen, "element": str(body.get("element", ""))}
    if chosen is not None:
        tasks = visible(TaskRun).filter(execution_id=chosen.id).order_by("seq")[:200]
        context |= {
            "tasks": [
                {
                    "run": run,
                    "outputs": [(name, show_value(value, 400)) for name, value in (run.outputs or {}).items()],
                    "taken_over": bool((run.progress or {}).get("takenOver")),
                }
                for run in tasks
            ],
            "logs": visible(LogEntry).filter(execution_id=chosen.id).order_by("id")[:SHOWN_LOGS],
            "moves": chosen.state not in TERMINAL,
        }
    return context
