"""What the flow editor asks while somebody types: checks, suggestions, explanations, changes of single tasks, playground runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from flows.language.quick_fixes import Fix, count_touched_lines, find_fix
from flows.language.source import read_document
from flows.language.text_edits import (
    duplicate_item,
    find_element,
    insert_item,
    list_ids,
    move_item,
    read_value,
    remove_item,
    remove_value,
    set_value,
)
from flows.operations.flow_checks import check_document
from flows.operations.playground import start_playground
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.problems import Problem
from flows.primitives.storable import make_storable
from flows.queries.blueprints import get_blueprint
from flows.queries.last_runs import LastRun, find_last_run
from flows.ui.editing.explanations import explain
from flows.ui.editing.node_forms import apply_form, choose_id, make_skeleton
from flows.ui.editing.suggestions import suggest
from flows.ui.editing.texts import LONGEST_SOURCE, list_elements
from flows.ui.input_fields import convert_typed, read_entries
from flows.ui.page import name_of
from flows.ui.painters.topology import list_task_lines
from flows.ui.views.editor_picture import draw_edited

LAST = 10_000
"""A place in a list behind all that it may hold."""


def check_source(request: HttpRequest) -> HttpResponse:
    """
    Check a text that is not stored and draw it. The same check stands behind saving, so the two never disagree.

    The query is that of the editor's page: what it folds and opens in the picture.
    """
    source = request.body.decode("utf-8", "replace")
    check = check_document(source)
    answer: dict[str, Any] = {
        "problems": _keep_one_fix([present_problem(problem, source) for problem in check.problems]),
        "tasks": [[one.line, one.id, one.section == "triggers"] for one in list_elements(source)],
    }
    if drawn := check.definition or check.sketch:
        answer |= {"picture": draw_edited(request, drawn, source), "lines": list_task_lines(drawn)}
    return JsonResponse(answer)


def _keep_one_fix(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Offer no "add" for a property that only has to be spelt right: both together would write it twice."""
    renamed = {one["fix"]["text"] for one in problems if one["code"] == "unknown-property" and "fix" in one}
    for one in problems:
        if one["code"] == "required" and "fix" in one and any(f'Add "{name}"' == one["fix"]["title"] for name in renamed):
            del one["fix"]
    return problems


def present_problem(problem: Problem, source: str) -> dict[str, Any]:
    """Return a problem as the editor marks it, with what would mend it."""
    place = problem.place
    line, column = (place.line, place.column) if place else (1, 1)
    lines = source.splitlines()
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    word = text[column - 1 :]
    length = next((index for index, letter in enumerate(word) if letter in ":, \t"), len(word)) or 1
    fix = find_fix(problem, source, get_registry())
    return {
        "severity": problem.severity.value.lower(),
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "line": line,
        "column": column,
        "length": length,
        "path": place.path if place else "",
        **({"fix": _present_fix(fix)} if fix else {}),
    }


def _present_fix(fix: Fix) -> dict[str, Any]:
    return {"title": fix.title, "from": [fix.line, fix.column], "to": [fix.end_line, fix.end_column], "text": fix.text}


def read_body(request: HttpRequest) -> dict[str, Any]:
    """
    Return the JSON of a request, or a form of inputs with the text of the flow beside them; `source` is always a text.

    Raises InvalidError.
    """
    if request.content_type == "multipart/form-data":
        source = request.POST.get("source", "").replace("\r\n", "\n")
        body = {"source": source, "flow": request.POST.get("flow", ""), "inputs": request.POST.urlencode()}
    else:
        try:
            # What is sent as an escape may be no character.
            body = make_storable(json.loads(request.body))
            body["source"] = str(body.get("source", ""))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidError("The body must be JSON with the text of the flow.", code="json-shape") from error
    if len(body["source"]) > LONGEST_SOURCE:
        raise InvalidError("The text is longer than a flow may be.", code="document-too-large")
    return dict(body)


def read_form(body: Mapping[str, Any]) -> QueryDict:
    """Return what was entered into the form of the inputs, which `inputs` holds as a query."""
    try:
        return QueryDict(str(body.get("inputs") or ""))
    except TooManyFieldsSent as error:
        raise InvalidError("The form has more fields than a flow can have inputs.", code="form-too-large") from error


def read_number(body: Mapping[str, Any], name: str) -> int:
    """Return a line or a column of a request, 1 when it makes no sense."""
    value = body.get(name)
    return value if isinstance(value, int) and 0 < value < 1_000_000 else 1


def names_of(source: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Return namespace and id of the flow that a text is about: those of its address, else those that it names."""
    namespace, _, flow_id = str(body.get("flow") or "").partition("/")
    if flow_id:
        return namespace, flow_id
    found = [re.search(rf"^{name}\s*:\s*[\"']?([\w.-]+)", source, re.MULTILINE) for name in ("namespace", "id")]
    return (found[0][1] if found[0] else ""), (found[1][1] if found[1] else "")


def last_run_of(source: str, body: Mapping[str, Any]) -> Callable[[], LastRun | None]:
    """Return a function that finds the newest ended run of the flow, at most once."""
    namespace, flow_id = names_of(source, body)
    return cache(lambda: find_last_run(namespace, flow_id, at=timezone.now()) if flow_id else None)


def suggest_names(request: HttpRequest) -> HttpResponse:
    """Answer `{items: [[shown, written, kind, note, score]]}`: what may stand at the place."""
    body = read_body(request)
    source = body["source"]
    found = suggest(
        source,
        read_number(body, "line"),
        read_number(body, "column"),
        registry=get_registry(),
        namespace=names_of(source, body)[0],
        find_last=last_run_of(source, body),
    )
    return JsonResponse({"items": [[one.text, one.value, one.kind, one.note, one.score] for one in found[:400]]})


def explain_place(request: HttpRequest) -> HttpResponse:
    """Answer with the small box that stands beside the pointer, empty when there is nothing to say."""
    body = read_body(request)
    source = body["source"]
    found = explain(
        source,
        read_number(body, "line"),
        read_number(body, "column"),
        registry=get_registry(),
        find_last=last_run_of(source, body),
    )
    return HttpResponse(render_to_string("flows/editor/hover.html", {"found": found}) if found else "")


def edit_source(request: HttpRequest) -> HttpResponse:
    """
    Answer `{source, message, element}`: the text after one change of one task, or 422 with why it cannot be made.

    The body has `source`, `act` (form, add, duplicate, up, down, disable, enable, delete, insert) and `element`.
    """
    body = read_body(request)
    source = body["source"]
    try:
        changed, element, words = _edit(body, source)
    except FlowsError as error:
        return JsonResponse({"message": error.message}, status=422)
    if read_document(source).data is not None and read_document(changed).data is None:
        return JsonResponse({"message": "This change would break the text; make it by hand."}, status=422)
    count = count_touched_lines(source, changed)
    lines = "nothing changed" if not count else f"{count} {'line' if count == 1 else 'lines'} changed"
    return JsonResponse({"source": changed, "element": element, "message": f"{words}: {lines}"})


def _edit(body: Mapping[str, Any], source: str) -> tuple[str, str, str]:
    act, element, kind = (
        str(body.get("act")),
        str(body.get("element", "")),
        "trigger" if body.get("kind") == "trigger" else "task",
    )
    if act == "add":
        return _add(body, source, element)
    if act == "insert":
        return _insert_blueprint(source, str(body.get("blueprint", "")), element)
    path = find_element(source, element, kind=kind)
    # In a Dag the task stands below a key of its entry.
    item = path[:-1] if path[-1] == "task" else path
    match act:
        case "form":
            values = body.get("values")
            given = {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
            return apply_form(source, element, kind, given, get_registry()), given.get("p.id") or element, f"{element} saved"
        case "duplicate":
            name = choose_id(f"{element}_copy", list_ids(source))
            return duplicate_item(source, item, name), name, f"{element} duplicated"
        case "up" | "down":
            return move_item(source, item, -1 if act == "up" else 1), element, f"{element} moved {act}"
        case "disable":
            return set_value(source, (*path, "disabled"), "true", is_yaml=True), element, f"{element} disabled"
        case "enable":
            return remove_value(source, (*path, "disabled")), element, f"{element} enabled"
        case "delete":
            return remove_item(source, item), "", f"{element} deleted"
    raise InvalidError(f'The editor has no change "{act[:40]}".', code="unknown-action")


def _add(body: Mapping[str, Any], source: str, element: str) -> tuple[str, str, str]:
    type_name, where = str(body.get("type", "")), str(body.get("where", "after"))
    entry = get_registry().get(type_name)
    last = re.sub(r"(?<!^)(?=[A-Z])", "_", entry.type.rpartition(".")[2]).lower()
    name = choose_id(last, list_ids(source))
    skeleton = make_skeleton(entry.type, name, get_registry())
    if entry.kind == "trigger":
        return insert_item(source, ("triggers",), LAST, skeleton), name, f"{name} added"
    if not element:
        return insert_item(source, ("tasks",), LAST, skeleton), name, f"{name} added"
    path = find_element(source, element)
    if where == "inside":
        outer = get_registry().get(str(read_value(source, (*path, "type"))[0]))
        if not outer.branches:
            raise InvalidError(f'Task "{element}" holds no other tasks: add before or after it.', code="no-group")
        return insert_item(source, (*path, outer.branches[0]), LAST, skeleton), name, f"{name} added"
    item = path[:-1] if path[-1] == "task" else path
    if item is not path:
        skeleton = "task:\n" + "".join(f"  {line}\n" for line in skeleton.splitlines())
    return insert_item(source, item[:-1], int(item[-1]) + (where != "before"), skeleton), name, f"{name} added"


def _insert_blueprint(source: str, blueprint_id: str, element: str) -> tuple[str, str, str]:
    """Add the tasks and inputs of a blueprint that the text does not have yet; the tasks come after the one at the cursor."""
    text = get_blueprint(blueprint_id).source
    data = read_document(text).data
    if not isinstance(data, dict):
        raise InvalidError("The blueprint cannot be read.", code="blueprint")
    count = 0
    for section in ("inputs", "tasks", "triggers"):
        entries = data.get(section)
        position = _find_position_after(source, element) if section == "tasks" else LAST
        for index, one in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(one, dict) and str(one.get("id")) not in list_ids(source):
                source = insert_item(source, (section,), position, read_value(text, (section, index))[1] + "\n")
                position += 1
                count += 1
    if not count:
        raise InvalidError("The text has everything of this blueprint already.", code="blueprint")
    return source, "", "Blueprint inserted"


def _find_position_after(source: str, element: str) -> int:
    """Return the place in `tasks` after the task that holds an element, or the last one."""
    try:
        path = find_element(source, element)
    except FlowsError:
        return LAST
    return int(path[1]) + 1 if path[0] == "tasks" else LAST


def play(request: HttpRequest) -> HttpResponse:
    """Start a playground run of one task, or up to it, and answer where it can be seen."""
    body, at = read_body(request), timezone.now()
    definition = check_document(body["source"]).definition
    declared = definition.inputs if definition is not None else ()
    try:
        execution = start_playground(
            body["source"],
            task_id=str(body.get("element", "")),
            up_to=bool(body.get("upTo")),
            inputs=convert_typed(declared, read_entries(read_form(body), declared), at=at),
            at=at,
            actor=name_of(request),
        )
    except FlowsError as error:
        return JsonResponse({"message": error.message[:500]}, status=422)
    url = reverse("ui:execution", args=[execution.namespace, execution.flow_id, execution.id])
    return JsonResponse({"id": execution.id, "url": url, "message": f"Playground: {body.get('element')} runs"})
