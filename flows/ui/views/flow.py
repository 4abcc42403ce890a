"""The pages of one flow: overview, editor, executions, revisions, triggers, and what can be done with it."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.models import Flow, FlowRevision
from flows.operations import flows as operations
from flows.operations.bulk_acts import restore_flow
from flows.operations.flow_checks import check_document
from flows.operations.flow_drafts import discard_draft, publish_draft
from flows.operations.flow_rewriting import set_flow_disabled
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, FlowsError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.primitives.storable import make_storable
from flows.queries import executions as execution_queries
from flows.queries import flows as queries
from flows.queries.changes import digest_flows
from flows.queries.criteria import Condition, Operation
from flows.queries.last_runs import list_last_runs
from flows.queries.visibility import visible
from flows.ui.choices import EDITOR_COLUMNS, EDITOR_SPLIT, read_choices, read_look
from flows.ui.editing.panels import arrange
from flows.ui.editing.trials import make_trial
from flows.ui.filters import LISTED_STATES, read_filters
from flows.ui.input_fields import flatten
from flows.ui.keyset import count_up_to, take_slice
from flows.ui.marks import check_mark, cut_to_minute
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.painters.charts import draw_run_strip
from flows.ui.painters.topology import draw_topology
from flows.ui.views.blueprints import make_new_source
from flows.ui.views.dependencies import describe_dependencies
from flows.ui.views.editor import present_problem
from flows.ui.views.editor_picture import draw_edited
from flows.ui.views.execution_list import SHOWN_FIELDS
from flows.ui.views.flow_list import RUNS_IN_STRIP
from flows.ui.views.flow_logs import send_lines_only, show_logs
from flows.ui.views.flow_tabs import describe_revisions, list_relations, make_grid, show_concurrency, show_metrics
from flows.ui.views.flow_triggers import list_trigger_lines, show_triggers

TABS = (
    ("overview", "Overview"),
    ("edit", "Edit"),
    ("executions", "Executions"),
    ("revisions", "Revisions"),
    ("triggers", "Triggers"),
    ("logs", "Logs"),
    ("metrics", "Metrics"),
    ("dependencies", "Dependencies"),
    ("concurrency", "Concurrency"),
)
DRAFT_TABS = frozenset({"edit", "revisions"})
"""The tabs that are about the text saved last; the others show what runs."""

_BEHAVIORS = {"QUEUE": "wait in the queue", "CANCEL": "are cancelled", "FAIL": "fail"}
"""What becomes of executions over the limit, in words."""

_EXAMPLE = """id: {flow_id}
namespace: {namespace}

inputs:
  - id: name
    type: STRING
    defaults: world

tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "Hello, {{{{ inputs.name }}}}!"

  - id: answer
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ task.id }}}} ran at {{{{ taskrun.startDate }}}}"
"""


def show_flow(request: HttpRequest, namespace: str, flow_id: str, tab: str = "overview") -> HttpResponseBase:
    """Show one tab of a flow."""
    found = queries.get_flow_text(namespace, flow_id, prefer_published=tab not in DRAFT_TABS)
    if tab == "logs" and (lines := send_lines_only(request, namespace, flow_id)) is not None:
        return lines
    makers = {
        "overview": _overview,
        "edit": _edit,
        "executions": _executions,
        "revisions": _revisions,
        "triggers": show_triggers,
        "logs": show_logs,
        "metrics": show_metrics,
        "dependencies": _dependencies,
        "concurrency": show_concurrency,
    }
    maker = makers.get(tab)
    if maker is None:
        raise NotFoundError(f'A flow has no tab "{tab}".', code="unknown-tab")
    context = {
        "flow": found.flow,
        "definition": found.definition,
        "shown": found.revision,
        "tab": tab,
        "tabs": TABS,
        "flow_url": reverse("ui:flow", args=[namespace, flow_id]),
        **_describe_acts(found.flow),
        **maker(request, found),
    }
    crumbs = [
        Crumb("Flows", reverse("ui:flows")),
        Crumb(namespace, f"{reverse('ui:flows')}?namespace={namespace}"),
        Crumb(flow_id, copies=flow_id),
    ]
    return answer_page(request, f"flows/flow/{tab}.html", context, title=flow_id, nav="flows", crumbs=crumbs)


def _describe_acts(flow: Flow) -> dict[str, str]:
    """Return what the acts on a flow say before they are done, and the same acts as commands."""
    name = f"{flow.namespace} {flow.flow_id}"
    revisions = "its revision comes" if flow.newest_revision == 1 else f"its {flow.newest_revision} revisions come"
    return {
        "toggle_command": f"manage.py flows {'enable' if flow.disabled else 'disable'} {name}",
        "delete_command": f"manage.py flows delete {name} --yes",
        "delete_says": f"The flow disappears from {flow.namespace} and its triggers stop. Its executions stay, and {revisions} "
        "back when a flow of this name is saved again.",
    }


def _overview(request: HttpRequest, found: queries.FlowText) -> dict[str, Any]:
    flow, at = found.flow, timezone.now()
    name = (flow.namespace, flow.flow_id)
    runs = list_last_runs([name], count=RUNS_IN_STRIP).get(name, [])
    ended = [run for run in runs if run.ended_at]
    lengths = sorted(run.ended_at - run.created_at for run in runs if run.ended_at)
    good = sum(run.state in ("SUCCESS", "WARNING") for run in ended)
    concurrency = found.definition.concurrency if found.definition else None
    triggers = list_trigger_lines(found)
    # Relations stand in the texts of all flows.
    mark = check_mark(request, flow, runs, triggers, digest_flows(), cut_to_minute(at) if len(ended) < len(runs) else None)
    return {
        "mark": mark,
        "picture": draw_topology(found.definition) if found.definition else "",
        "strip": draw_run_strip(runs[::-1], at=at),
        "runs": runs[:8],
        "run_count": len(runs),
        "ratio": round(100 * good / len(ended)) if ended else None,
        "median": lengths[len(lengths) // 2] if lengths else None,
        "inputs": list(flatten(found.definition.inputs)) if found.definition else [],
        "triggers": triggers,
        "behavior": _BEHAVIORS.get(concurrency.behavior, "") if concurrency else "",
        **list_relations(found),
    }


def _edit(request: HttpRequest, found: queries.FlowText) -> dict[str, Any]:
    return _editor_context(request, found.revision.source, found.flow.newest_revision, found)


def _editor_context(request: HttpRequest, source: str, revision: int, found: queries.FlowText | None = None) -> dict[str, Any]:
    definition = found.definition if found else check_document(source).definition
    choices = read_choices(request.user.pk)
    is_read_only = found is not None and not current_caller().may(Action.UPDATE, Resource.FLOW, found.flow.namespace)
    return {
        "source": source,
        "revision": revision,
        "picture": draw_edited(request, definition, source) if definition else "",
        "columns": arrange(choices.get(EDITOR_COLUMNS, ""), request.GET.getlist("panel"), is_read_only=is_read_only),
        "is_read_only": is_read_only,
        "split": choices.get(EDITOR_SPLIT, ""),
    }


def _executions(request: HttpRequest, found: queries.FlowText) -> dict[str, Any]:
    flow = found.flow
    fixed = (
        Condition("namespace", Operation.EQUALS, flow.namespace),
        Condition("flowId", Operation.EQUALS, flow.flow_id),
    )
    filters = read_filters(request, names=("state", "range", "label", "from", "to"), fixed=fixed)
    rows = execution_queries.filter_executions(filters.criteria, at=timezone.now())
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    taken, total = take_slice(request, rows.only(*SHOWN_FIELDS), moment="created_at"), count_up_to(rows)
    return {
        "mark": check_mark(request, flow.can_start, taken, total),
        "query": query.urlencode(),
        "slice": taken,
        "total": total,
        "filters": filters,
        "states": LISTED_STATES,
        "is_bound": True,
        **({} if filters.chips or request.GET.get("before") or request.GET.get("after") else make_grid(found)),
    }


def _revisions(request: HttpRequest, found: queries.FlowText) -> dict[str, Any]:
    rows = list(visible(FlowRevision).filter(flow=found.flow).order_by("-revision")[:200])
    by_number = {row.revision: row for row in rows}
    newest = rows[0].revision
    left = by_number.get(_read_number(request, "from", found.flow.revision if found.revision.draft else newest - 1))
    right = by_number.get(_read_number(request, "to", newest), rows[0])
    in_one_column = request.GET.get("view") == "unified"
    context: dict[str, Any] = {"rows": rows, "left": left, "right": right, "in_one_column": in_one_column}
    if left is not None and left is not right:
        context |= describe_revisions(left.source, right.source, in_one_column=in_one_column)
    return context


def _read_number(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _dependencies(request: HttpRequest, found: queries.FlowText) -> dict[str, Any]:
    own = (found.flow.namespace, found.flow.flow_id)
    return describe_dependencies(request, [own], depth="all", focus=own)


def show_new(request: HttpRequest) -> HttpResponse:
    """Show the editor with an example, the copy of a flow, or the flow of a blueprint."""
    namespace = request.GET.get("namespace", "") or read_look(request).get("home-namespace") or "company.team"
    source = _EXAMPLE.format(flow_id="hello_world", namespace=namespace)
    copied = request.GET.get("copy", "")
    if "/" in copied:
        copied_namespace, _, copied_id = copied.partition("/")
        original = queries.get_flow_text(copied_namespace, copied_id)
        source = original.revision.source.replace(f"id: {original.flow.flow_id}", f"id: {original.flow.flow_id}_copy", 1)
    if blueprint := request.GET.get("blueprint", ""):
        source = make_new_source(request, blueprint)
    if plugin := request.GET.get("plugin", ""):
        source = make_trial(plugin, request.GET.get("example", ""), namespace)
    crumbs = [Crumb("Flows", reverse("ui:flows")), Crumb("New flow")]
    context = {**_editor_context(request, source, 0), "is_new": True}
    return answer_page(request, "flows/flow/new.html", context, title="New flow", nav="flows", crumbs=crumbs)


def save_source(request: HttpRequest) -> HttpResponse:
    """
    Save the text of the editor: `{source, base, message, draft}` as JSON; `base` is the revision that the person began with, 0
    for a new flow; `message` says why it is saved and may be missing; `draft` keeps the text without publishing it.

    Answers the saved revision and its address, 422 with all problems, or 409 when somebody else saved meanwhile.
    """
    try:
        body = json.loads(request.body)
        source, base = str(body["source"]), int(body["base"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidError("The body must be JSON with a text and the number of its revision.", code="json-shape") from error
    try:
        message = str(body.get("message") or "")
        history: dict[str, Any] = {"message": message, "draft": bool(body.get("draft"))}
        address = make_storable(str(body.get("flow") or ""))
        saved = _save(request, source, base, overwrite=bool(body.get("overwrite")), address=address, **history)
    except InvalidError as error:
        problems = [present_problem(problem, source) for problem in error.problems]
        return JsonResponse({"message": error.message, "problems": problems, "code": error.code}, status=422)
    except ConflictError as error:
        return JsonResponse({"message": error.message, "code": error.code}, status=409)
    except FlowsError as error:
        return JsonResponse({"message": error.message, "code": error.code}, status=404)
    url = reverse("ui:flow-tab", args=[saved.flow.namespace, saved.flow.flow_id, "edit"])
    warnings = [present_problem(problem, source) for problem in saved.warnings]
    return JsonResponse({"revision": saved.revision.revision, "changed": saved.changed, "url": url, "warnings": warnings})


def _save(request: HttpRequest, source: str, base: int, *, overwrite: bool, address: str, **history: Any) -> operations.SavedFlow:
    history |= {"at": timezone.now(), "actor": name_of(request)}
    if base == 0:
        return operations.save_flow(source, mode="create", **history)
    namespace, _, flow_id = address.partition("/")
    seen = None if overwrite else base
    return operations.save_flow(source, namespace=namespace, flow_id=flow_id, mode="update", base=seen, **history)


def act(request: HttpRequest, namespace: str, flow_id: str, action: str) -> HttpResponse:
    """Enable, disable, delete or bring back a flow, restore an old revision as the newest one, publish or discard a draft."""
    at, actor = timezone.now(), name_of(request)
    if action == "delete":
        operations.delete_flow(namespace, flow_id, at=at, actor=actor)
        return redirect("flows", note=f"Flow {namespace}/{flow_id} deleted", undo=f"{namespace}/{flow_id}/undelete")
    if action == "undelete":
        restored = restore_flow(namespace, flow_id, at=at, actor=actor)
        return redirect("flow", namespace, flow_id, note=f"Flow restored as revision {restored.revision.revision}")
    if action in ("enable", "disable"):
        set_flow_disabled(namespace, flow_id, disabled=action == "disable", at=at, actor=actor)
        back = "enable" if action == "disable" else "disable"
        return redirect("flow", namespace, flow_id, note=f"Flow {action}d", undo=f"{namespace}/{flow_id}/{back}")
    number = request.POST.get("revision", "")
    revision = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    if action == "publish":
        published = publish_draft(namespace, flow_id, revision=revision, at=at, actor=actor)
        return redirect("flow", namespace, flow_id, note=f"Draft published as revision {published.revision.revision}")
    if action == "discard":
        discard_draft(namespace, flow_id, revision=revision, at=at, actor=actor)
        return redirect("flow", namespace, flow_id, note=f"Draft {number} discarded; it stays among the revisions")
    if action == "restore":
        wanted = queries.get_flow_text(namespace, flow_id, revision)
        saved = operations.save_flow(
            wanted.revision.source,
            namespace=namespace,
            flow_id=flow_id,
            mode="update",
            draft=wanted.revision.draft,
            at=at,
            actor=actor,
            message=f"Revision {wanted.revision.revision} restored",
        )
        return redirect(
            "flow-tab", namespace, flow_id, "revisions", note=f"Revision {number} restored as revision {saved.revision.revision}"
        )
    raise NotFoundError(f'A flow has no action "{action}".', code="unknown-action")


def download_source(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Answer with the source of a flow as a file, the published one where there is one."""
    found = queries.get_flow_text(namespace, flow_id, prefer_published=True)
    response = HttpResponse(found.revision.source, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{flow_id}.yaml"'
    return response


def redirect_bare(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Lead the short address of a flow to its page."""
    return HttpResponseRedirect(reverse("ui:flow", args=[namespace, flow_id]))
