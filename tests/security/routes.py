"""What every route of the API needs: which right, on what, and a call that does it. A route that is not here fails the build."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flows.primitives.rights import Action, Resource
from tests.support.addresses import list_routes

from .world import CALLER, FLOW, TEMPLATE

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Names = Mapping[str, str]


class Shape(StrEnum):
    """How a route answers somebody without the right."""

    BY_ID = "404 when the namespace cannot be read, 403 when it can"
    NEW = "403, because there is nothing yet that could be missing"
    LIST = "200 with less in it"
    BULK = "403 when the right is nowhere held, else nothing is touched"
    NOTHING = "200, and says that nothing was there"


@dataclass(frozen=True)
class Call:
    """
    One use of a route.

    `path` is below `/api/v1/main` and has names in braces; `body` is an object whose texts have them, or a function that makes a
    text; `succeeds` tells whether the world of the tests lets it succeed for somebody who may do everything.
    """

    action: Action
    resource: Resource
    path: str
    body: Any = None
    shape: Shape = Shape.BY_ID
    form: bool = False
    yaml: bool = False
    succeeds: bool = True
    also: tuple[tuple[Action, Resource], ...] = ()

    def make(self, names: Names) -> dict[str, Any]:
        """Return address, body and content type with the names filled in."""
        body = self.body(names) if callable(self.body) else _fill(self.body, names)
        call: dict[str, Any] = {"path": self.path.format(**names)}
        if self.form:
            return {**call, "form": body or {}}
        if body is None:
            return call
        if self.yaml:
            return {**call, "data": body, "content_type": "application/x-yaml"}
        data = body if isinstance(body, str) else json.dumps(body)
        return {**call, "data": data, "content_type": "application/json"}


def _fill(value: Any, names: Names) -> Any:
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, dict):
        return {key: _fill(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill(one, names) for one in value]
    return value


READ, CREATE, UPDATE, DELETE = Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE
FLOWS, EXECUTIONS, TRIGGERS = Resource.FLOW, Resource.EXECUTION, Resource.TRIGGER
TEMPLATES, NAMESPACES, FILES = Resource.TEMPLATE, Resource.NAMESPACE, Resource.FILE
KEYS, SECRETS, BOARDS, BLUEPRINTS = Resource.KVSTORE, Resource.SECRET, Resource.DASHBOARD, Resource.BLUEPRINT
USERS, SETTINGS = Resource.USER, Resource.SETTING


def _document(names: Names) -> str:
    return FLOW.format(**names).replace("hello\n", "changed\n")


def _new_document(names: Names) -> str:
    return _document(names).replace(f"id: {names['mark']}-flow", f"id: {names['mark']}-new", 1)


def _caller(names: Names) -> str:
    return CALLER.format(**names, callee=names["namespace"], callee_id=names["flow_id"])


def _template(names: Names) -> str:
    return TEMPLATE.format(**names).replace("template\n", "changed\n", 1).replace("-changed", "-template")


def _new_template(names: Names) -> str:
    return TEMPLATE.format(**names).replace("-template\n", "-new\n", 1)


_DASHBOARD = """\
id: {id}
title: A board
charts:
  - id: figure
    type: io.kestra.plugin.core.dashboard.chart.Markdown
    content: Text
"""


def _dashboard(board: str) -> Callable[[Names], str]:
    return lambda names: _DASHBOARD.format(id=board)


_FLOW_NAMES = [{"namespace": "{namespace}", "id": "{flow_id}"}]
_TRIGGER = {"namespace": "{namespace}", "flowId": "{flow_id}", "triggerId": "{trigger_id}"}
_BACKFILL = {**_TRIGGER, "backfill": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}}
_OF_NAMESPACE = "?filters[namespace][EQUALS]={namespace}"
_WINDOW = {"startDate": "2031-05-01T00:00:00Z", "endDate": "2031-05-06T00:00:00Z"}
_ASK = [{"key": "a", "value": "b"}]


def _execution_bulk(verb: str, state: str, method: str, action: Action = UPDATE, query: str = "") -> dict[tuple[str, str], Call]:
    name = f"execution-{verb}"
    prefix = "/executions" if verb == "delete" else f"/executions/{verb}"
    return {
        (f"{name}-by-ids", method): Call(action, EXECUTIONS, f"{prefix}/by-ids?{query}", [f"{{{state}}}"], Shape.BULK),
        (f"{name}-by-query", method): Call(
            action,
            EXECUTIONS,
            f"{prefix}/by-query?filters[namespace][EQUALS]={{namespace}}&filters[state][EQUALS]={state.upper()}&{query}",
            shape=Shape.BULK,
        ),
    }


def _trigger_bulk(name: str, path: str, method: str = "POST", *, action: Action = UPDATE) -> dict[tuple[str, str], Call]:
    """The world has no lock and no backfill, so these touch nothing; they are acts all the same."""
    body = {"filters": [{"field": "namespace", "operation": "EQUALS", "value": "{namespace}"}]} if method == "DELETE" else None
    return {
        (f"{name}-by-triggers", method): Call(action, TRIGGERS, f"/triggers/{path}/by-triggers", [_TRIGGER], Shape.BULK),
        (f"{name}-by-query", method): Call(action, TRIGGERS, f"/triggers/{path}/by-query{_OF_NAMESPACE}", body, Shape.BULK),
    }


_RESTART = "/executions/{failed}/actions"

WRITING: dict[tuple[str, str], Call | list[Call]] = {
    ("flow-create", "POST"): Call(CREATE, FLOWS, "/flows", _new_document, Shape.NEW, yaml=True),
    ("flow", "PUT"): Call(UPDATE, FLOWS, "/flows/{namespace}/{flow_id}", _document, yaml=True),
    ("flow", "DELETE"): Call(DELETE, FLOWS, "/flows/{namespace}/{flow_id}"),
    ("flow-revisions", "DELETE"): Call(DELETE, FLOWS, "/flows/{namespace}/{flow_id}/revisions?revisions=7"),
    ("flow-task-update", "PATCH"): Call(
        UPDATE,
        FLOWS,
        "/flows/{namespace}/{flow_id}/{task_id}",
        lambda names: f"id: {names['task_id']}\ntype: io.kestra.plugin.core.log.Log\nmessage: changed\n",
        yaml=True,
    ),
    ("flow-namespace", "POST"): Call(UPDATE, FLOWS, "/flows/{namespace}?delete=false", _document, Shape.NEW, yaml=True),
    ("flow-bulk", "POST"): Call(UPDATE, FLOWS, "/flows/bulk?delete=false", _document, Shape.NEW, yaml=True),
    ("flow-import", "POST"): Call(
        UPDATE,
        FLOWS,
        "/flows/import?failOnError=true",
        lambda names: {"fileUpload": ("a.yaml", _document(names))},
        Shape.NEW,
        form=True,
    ),
    ("source-replace", "POST"): Call(
        UPDATE,
        FLOWS,
        "/flows/source/replace/apply",
        {"q": "{mark} hello", "replacement": "{mark} bye", "namespace": "{namespace}"},
        Shape.BULK,
    ),
    ("source-replace-line", "POST"): Call(
        UPDATE,
        FLOWS,
        "/flows/source/replace/line",
        {"q": "{mark} hello", "replacement": "bye", "namespace": "{namespace}", "flowId": "{flow_id}", "line": 15},
    ),
    ("flow-delete-by-ids", "DELETE"): Call(DELETE, FLOWS, "/flows/delete/by-ids", _FLOW_NAMES, Shape.BULK),
    ("flow-delete-by-query", "DELETE"): Call(DELETE, FLOWS, f"/flows/delete/by-query{_OF_NAMESPACE}", shape=Shape.BULK),
    ("flow-disable-by-ids", "POST"): Call(UPDATE, FLOWS, "/flows/disable/by-ids", _FLOW_NAMES, Shape.BULK),
    ("flow-disable-by-query", "POST"): Call(UPDATE, FLOWS, f"/flows/disable/by-query{_OF_NAMESPACE}", shape=Shape.BULK),
    ("flow-enable-by-ids", "POST"): Call(UPDATE, FLOWS, "/flows/enable/by-ids", _FLOW_NAMES, Shape.BULK),
    ("flow-enable-by-query", "POST"): Call(UPDATE, FLOWS, f"/flows/enable/by-query{_OF_NAMESPACE}", shape=Shape.BULK),
    ("concurrency-recount", "PUT"): Call(UPDATE, FLOWS, "/concurrency-limit/{namespace}/{flow_id}"),
    ("execution-start", "POST"): Call(CREATE, EXECUTIONS, "/executions/{namespace}/{flow_id}", form=True),
    ("execution-start-old", "POST"): Call(CREATE, EXECUTIONS, "/executions/trigger/{namespace}/{flow_id}", form=True),
    ("execution-act", "POST"): [
        Call(UPDATE, EXECUTIONS, f"{_RESTART}/restart"),
        Call(CREATE, EXECUTIONS, f"{_RESTART}/replay"),
        Call(CREATE, EXECUTIONS, f"{_RESTART}/replay-with-inputs", form=True),
        Call(UPDATE, EXECUTIONS, "/executions/{running}/actions/pause"),
        Call(UPDATE, EXECUTIONS, "/executions/{paused}/actions/resume", form=True),
        Call(UPDATE, EXECUTIONS, "/executions/{paused}/actions/resume-from-breakpoint"),
        Call(UPDATE, EXECUTIONS, f"{_RESTART}/change-status?status=KILLED"),
        Call(UPDATE, EXECUTIONS, f"{_RESTART}/state", {"taskRunId": "{run}", "state": "SUCCESS"}),
        Call(UPDATE, EXECUTIONS, f"{_RESTART}/labels", _ASK),
        Call(UPDATE, EXECUTIONS, "/executions/{created}/actions/force-run"),
        Call(UPDATE, EXECUTIONS, "/executions/{queued}/actions/unqueue"),
        Call(UPDATE, EXECUTIONS, "/executions/{paused}/actions/review", {"decision": "APPROVED"}, succeeds=False),
    ],
    ("execution-act-old", "POST"): Call(UPDATE, EXECUTIONS, "/executions/{failed}/restart"),
    ("execution-kill", "DELETE"): Call(UPDATE, EXECUTIONS, "/executions/{running}/actions/kill"),
    ("execution-kill-old", "DELETE"): Call(UPDATE, EXECUTIONS, "/executions/{running}/kill"),
    ("task-run-review", "POST"): Call(
        UPDATE, EXECUTIONS, "/executions/{paused}/actions/review/{waiting_run}", {"decision": "APPROVED"}, succeeds=False
    ),
    ("execution", "DELETE"): Call(DELETE, EXECUTIONS, "/executions/{failed}"),
    **_execution_bulk("delete", "failed", "DELETE", DELETE),
    **_execution_bulk("kill", "running", "DELETE"),
    **_execution_bulk("restart", "failed", "POST"),
    **_execution_bulk("replay", "failed", "POST", CREATE),
    **_execution_bulk("pause", "running", "POST"),
    **_execution_bulk("resume", "paused", "POST"),
    **_execution_bulk("force-run", "created", "POST"),
    **_execution_bulk("unqueue", "queued", "POST"),
    **_execution_bulk("change-status", "failed", "POST", query="newStatus=KILLED"),
    ("execution-labels-by-ids", "POST"): Call(
        UPDATE, EXECUTIONS, "/executions/labels/by-ids", {"executionsId": ["{failed}"], "executionLabels": _ASK}, Shape.BULK
    ),
    ("execution-labels-by-query", "POST"): Call(
        UPDATE,
        EXECUTIONS,
        "/executions/labels/by-query?filters[namespace][EQUALS]={namespace}&filters[state][EQUALS]=FAILED",
        _ASK,
        Shape.BULK,
    ),
    ("log", "DELETE"): Call(DELETE, EXECUTIONS, "/logs/{failed}", shape=Shape.NOTHING),
    ("log-flow", "DELETE"): Call(DELETE, EXECUTIONS, "/logs/{namespace}/{flow_id}"),
    ("trigger-set-disabled", "PUT"): Call(UPDATE, TRIGGERS, "/triggers/set-disabled", {**_TRIGGER, "disabled": True}),
    ("trigger-set-disabled-by-triggers", "POST"): Call(
        UPDATE, TRIGGERS, "/triggers/set-disabled/by-triggers", {"triggers": [_TRIGGER], "disabled": True}, Shape.BULK
    ),
    ("trigger-set-disabled-by-query", "POST"): Call(
        UPDATE, TRIGGERS, f"/triggers/set-disabled/by-query{_OF_NAMESPACE}&disabled=true", shape=Shape.BULK
    ),
    **_trigger_bulk("trigger-unlock", "unlock"),
    **_trigger_bulk("trigger-delete", "delete", "DELETE", action=DELETE),
    **_trigger_bulk("backfill-pause", "backfill/pause"),
    **_trigger_bulk("backfill-unpause", "backfill/unpause"),
    **_trigger_bulk("backfill-delete", "backfill/delete"),
    ("trigger-update", "PUT"): Call(UPDATE, TRIGGERS, "/triggers", {**_TRIGGER, "disabled": True}),
    ("backfill-create", "PUT"): Call(UPDATE, TRIGGERS, "/triggers/backfill/create", _BACKFILL, also=((CREATE, EXECUTIONS),)),
    ("backfill-pause", "PUT"): Call(UPDATE, TRIGGERS, "/triggers/backfill/pause", _TRIGGER, succeeds=False),
    ("backfill-unpause", "PUT"): Call(UPDATE, TRIGGERS, "/triggers/backfill/unpause", _TRIGGER, succeeds=False),
    ("backfill-delete", "POST"): Call(UPDATE, TRIGGERS, "/triggers/backfill/delete", _TRIGGER, succeeds=False),
    ("trigger", "DELETE"): Call(DELETE, TRIGGERS, "/triggers/{namespace}/{flow_id}/{trigger_id}", succeeds=False),
    ("trigger-unlock", "POST"): Call(UPDATE, TRIGGERS, "/triggers/{namespace}/{flow_id}/{trigger_id}/unlock", succeeds=False),
    ("trigger-restart", "POST"): Call(UPDATE, TRIGGERS, "/triggers/{namespace}/{flow_id}/{trigger_id}/restart"),
    ("kv", "PUT"): Call(UPDATE, KEYS, "/namespaces/{namespace}/kv/{key}", '"new"', Shape.NEW),
    ("kv", "DELETE"): Call(DELETE, KEYS, "/namespaces/{namespace}/kv/{key}", shape=Shape.NOTHING),
    ("kv-namespace", "DELETE"): Call(DELETE, KEYS, "/namespaces/{namespace}/kv", {"keys": ["{key}"]}, Shape.NOTHING),
    ("file", "POST"): Call(
        UPDATE,
        FILES,
        "/namespaces/{namespace}/files?path={path}",
        lambda names: {"fileContent": ("a.txt", "content")},
        Shape.NEW,
        form=True,
    ),
    ("file", "PUT"): Call(UPDATE, FILES, "/namespaces/{namespace}/files?from={path}&to=/moved.txt"),
    ("file", "DELETE"): Call(DELETE, FILES, "/namespaces/{namespace}/files?path={path}"),
    ("file-directory", "POST"): Call(CREATE, FILES, "/namespaces/{namespace}/files/directory?path=/new", shape=Shape.NEW),
    ("secret-namespace", "PUT"): Call(
        UPDATE, SECRETS, "/namespaces/{namespace}/secrets", {"key": "{secret}", "value": "value-1234"}, Shape.NEW
    ),
    ("secret", "PATCH"): Call(UPDATE, SECRETS, "/namespaces/{namespace}/secrets/{secret}", {"description": "new"}),
    ("secret", "DELETE"): Call(DELETE, SECRETS, "/namespaces/{namespace}/secrets/{secret}"),
    ("namespace-create", "POST"): Call(CREATE, NAMESPACES, "/namespaces", {"id": "{namespace}.fresh"}, Shape.NEW),
    ("namespace", "PUT"): Call(UPDATE, NAMESPACES, "/namespaces/{namespace}", {"description": "new"}),
    ("namespace", "DELETE"): Call(DELETE, NAMESPACES, "/namespaces/{namespace}", succeeds=False),
    ("template-create", "POST"): Call(CREATE, TEMPLATES, "/templates", _new_template, Shape.NEW, yaml=True),
    ("template", "PUT"): Call(UPDATE, TEMPLATES, "/templates/{namespace}/{template_id}", _template, yaml=True),
    ("template", "DELETE"): Call(DELETE, TEMPLATES, "/templates/{namespace}/{template_id}"),
    ("dashboard-search", "POST"): Call(CREATE, BOARDS, "/dashboards", _dashboard("fresh"), Shape.NEW, yaml=True),
    ("dashboard", "PUT"): Call(UPDATE, BOARDS, "/dashboards/board", _dashboard("board"), yaml=True),
    ("dashboard", "DELETE"): Call(DELETE, BOARDS, "/dashboards/board"),
}
"""Every route that changes something of a namespace or of the installation, by route name and method."""

READING: dict[tuple[str, str], Call | list[Call]] = {
    ("flow", "GET"): Call(READ, FLOWS, "/flows/{namespace}/{flow_id}?source=true"),
    ("flow-revisions", "GET"): Call(READ, FLOWS, "/flows/{namespace}/{flow_id}/revisions"),
    ("flow-graph", "GET"): Call(READ, FLOWS, "/flows/{namespace}/{flow_id}/graph"),
    ("flow-dependencies", "GET"): Call(READ, FLOWS, "/flows/{namespace}/{flow_id}/dependencies"),
    ("flow-task", "GET"): Call(READ, FLOWS, "/flows/{namespace}/{flow_id}/tasks/{task_id}"),
    ("execution-flow-form", "GET"): Call(READ, FLOWS, "/executions/flows/{namespace}/{flow_id}"),
    ("execution-average-duration", "GET"): Call(
        READ, FLOWS, "/executions/namespaces/{namespace}/flows/{flow_id}/average-duration"
    ),
    ("execution-validate", "POST"): Call(READ, FLOWS, "/executions/{namespace}/{flow_id}/validate", form=True),
    ("execution", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}"),
    ("execution-graph", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/graph", also=((READ, FLOWS),)),
    ("execution-flow", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/flow", also=((READ, FLOWS),)),
    ("execution-files", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/files"),
    ("execution-file", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/file?path={stored}"),
    ("execution-file-metas", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/file/metas?path={stored}"),
    ("execution-file-preview", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/file/preview?path={stored}"),
    ("execution-follow", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/follow"),
    ("execution-follow-dependencies", "GET"): Call(READ, EXECUTIONS, "/executions/{failed}/follow-dependencies"),
    ("execution-resume-validate", "POST"): Call(READ, EXECUTIONS, "/executions/{paused}/actions/resume/validate", form=True),
    ("execution-resume-validate-old", "POST"): Call(READ, EXECUTIONS, "/executions/{paused}/resume/validate", form=True),
    ("execution-eval", "POST"): Call(UPDATE, EXECUTIONS, "/executions/{failed}/actions/eval", lambda names: "{{ 1 }}"),
    ("execution-eval-old", "POST"): Call(UPDATE, EXECUTIONS, "/executions/{failed}/eval", lambda names: "{{ 1 }}"),
    ("task-run-eval", "POST"): Call(UPDATE, EXECUTIONS, "/executions/{failed}/actions/eval/{run}", lambda names: "{{ 1 }}"),
    ("task-run-eval-old", "POST"): Call(UPDATE, EXECUTIONS, "/executions/{failed}/eval/{run}", lambda names: "{{ 1 }}"),
    ("expressions-render", "POST"): Call(
        UPDATE, EXECUTIONS, "/expressions/render", {"executionId": "{failed}", "expressions": ["x"]}
    ),
    ("log", "GET"): Call(READ, EXECUTIONS, "/logs/{failed}"),
    ("log-download", "GET"): Call(READ, EXECUTIONS, "/logs/{failed}/download"),
    ("log-follow", "GET"): Call(READ, EXECUTIONS, "/logs/{failed}/follow"),
    ("output-execution", "GET"): Call(READ, EXECUTIONS, "/outputs/executions/{failed}"),
    ("output-tasks", "GET"): Call(READ, EXECUTIONS, "/outputs/tasks/{failed}"),
    ("output-tasks-old", "GET"): Call(READ, EXECUTIONS, "/outputs/{failed}"),
    ("output-task-run", "GET"): Call(READ, EXECUTIONS, "/outputs/tasks/{failed}/{run}"),
    ("output-task-run-old", "GET"): Call(READ, EXECUTIONS, "/outputs/{failed}/{run}"),
    ("metric", "GET"): Call(READ, EXECUTIONS, "/metrics/{failed}"),
    ("kv", "GET"): Call(READ, KEYS, "/namespaces/{namespace}/kv/{key}"),
    ("file", "GET"): Call(READ, FILES, "/namespaces/{namespace}/files?path={path}"),
    ("file-stats", "GET"): Call(READ, FILES, "/namespaces/{namespace}/files/stats?path={path}"),
    ("file-revisions", "GET"): Call(READ, FILES, "/namespaces/{namespace}/files/revisions?path={path}"),
    ("namespace", "GET"): Call(READ, NAMESPACES, "/namespaces/{namespace}"),
    ("template", "GET"): Call(READ, TEMPLATES, "/templates/{namespace}/{template_id}"),
    # Searches and lists, which show less instead of refusing.
    **{
        (name, "GET"): Call(READ, resource, path, shape=Shape.LIST)
        for name, resource, path in (
            ("flow-search", FLOWS, "/flows/search?size=100"),
            ("flow-namespaces", FLOWS, "/flows/distinct-namespaces"),
            ("flow-source-search", FLOWS, "/flows/source?q={mark} hello"),
            ("flow-deprecated", FLOWS, "/flows/deprecated"),
            ("flow-export-by-query", FLOWS, f"/flows/export/by-query{_OF_NAMESPACE}"),
            ("flow-export-csv", FLOWS, f"/flows/export/by-query/csv{_OF_NAMESPACE}"),
            ("flow-namespace", FLOWS, "/flows/{namespace}"),
            ("execution-namespaces", FLOWS, "/executions/namespaces"),
            ("execution-namespace-flows", FLOWS, "/executions/namespaces/{namespace}/flows"),
            ("namespace-dependencies", FLOWS, "/namespaces/{namespace}/dependencies"),
            ("tenant-dependencies", FLOWS, "/dependencies"),
            ("concurrency-search", FLOWS, "/concurrency-limit/search"),
            ("execution-search", EXECUTIONS, "/executions/search?size=100"),
            ("execution-of-flow", EXECUTIONS, "/executions?namespace={namespace}&flowId={flow_id}"),
            ("execution-distinct-values", EXECUTIONS, "/executions/distinct-field-values?field=FLOW_ID"),
            ("execution-export-csv", EXECUTIONS, "/executions/export/by-query/csv"),
            ("log-search", EXECUTIONS, "/logs/search?size=100"),
            ("metric-names", EXECUTIONS, "/metrics/names/{namespace}/{flow_id}"),
            ("metric-task-names", EXECUTIONS, "/metrics/names/{namespace}/{flow_id}/{task_id}"),
            ("metric-tasks", EXECUTIONS, "/metrics/tasks/{namespace}/{flow_id}"),
            (
                "metric-aggregate",
                EXECUTIONS,
                "/metrics/aggregates/{namespace}/{flow_id}/{metric}?startDate=2031-05-01T00:00:00Z&endDate=2031-05-06T00:00:00Z",
            ),
            (
                "metric-task-aggregate",
                EXECUTIONS,
                "/metrics/aggregates/{namespace}/{flow_id}/{task_id}/{metric}"
                "?startDate=2031-05-01T00:00:00Z&endDate=2031-05-06T00:00:00Z",
            ),
            ("task-run-search", EXECUTIONS, "/taskruns/search?size=100"),
            ("trigger-search", TRIGGERS, "/triggers/search?size=100"),
            ("trigger-export-csv", TRIGGERS, "/triggers/export/by-query/csv"),
            ("trigger-flow", TRIGGERS, "/triggers/{namespace}/{flow_id}"),
            ("namespace-search", NAMESPACES, "/namespaces/search?size=100"),
            ("namespace-variables", NAMESPACES, "/namespaces/{namespace}/inherited-variables"),
            ("kv-namespace", KEYS, "/namespaces/{namespace}/kv"),
            ("kv-inheritance", KEYS, "/namespaces/{namespace}/kv/inheritance"),
            ("kv-search", KEYS, "/kv?size=100"),
            ("secret-namespace", SECRETS, "/namespaces/{namespace}/secrets"),
            ("secret-inherited", SECRETS, "/namespaces/{namespace}/inherited-secrets"),
            ("secret-search", SECRETS, "/secrets?size=100"),
            ("file-directory", FILES, "/namespaces/{namespace}/files/directory"),
            ("file-search", FILES, "/namespaces/{namespace}/files/search"),
            ("file-export", FILES, "/namespaces/{namespace}/files/export"),
            ("template-search", TEMPLATES, "/templates/search?size=100"),
            ("usage", FLOWS, "/usages/all"),
        )
    },
    ("flow-export-by-ids", "POST"): Call(READ, FLOWS, "/flows/export/by-ids", _FLOW_NAMES, Shape.LIST),
    ("source-replace-preview", "POST"): Call(
        READ, FLOWS, "/flows/source/replace/preview", {"q": "hello", "replacement": "bye"}, Shape.LIST
    ),
    ("flow-expressions", "POST"): Call(READ, KEYS, "/flows/expressions", _document, Shape.LIST, yaml=True),
    ("flow-validate", "POST"): Call(READ, FLOWS, "/flows/validate", _document, Shape.LIST, yaml=True),
    ("flow-source-graph", "POST"): Call(READ, FLOWS, "/flows/graph", _caller, Shape.LIST, yaml=True),
    ("execution-latest", "POST"): Call(READ, EXECUTIONS, "/executions/latest", _FLOW_NAMES, Shape.LIST),
    ("statistics-executions", "POST"): Call(READ, EXECUTIONS, "/stats/executions/daily", _WINDOW, Shape.LIST),
    ("statistics-logs", "POST"): Call(READ, EXECUTIONS, "/stats/logs/daily", _WINDOW, Shape.LIST),
    ("statistics-summary", "POST"): Call(READ, FLOWS, "/stats/summary", {}, Shape.LIST),
    ("namespace-autocomplete", "POST"): Call(READ, NAMESPACES, "/namespaces/autocomplete", {"q": ""}, Shape.LIST),
}
"""Every route that shows something of a namespace, by route name and method. What answers 403 without a row stands here, too."""

OF_INSTALLATION: dict[str, Resource] = {
    "prometheus": SETTINGS,
    "prometheus-alias": SETTINGS,
    "service-search": SETTINGS,
    "service-count": SETTINGS,
    "service": SETTINGS,
    "service-drain": SETTINGS,
    "service-metrics": SETTINGS,
    "maintenance": SETTINGS,
    "audit-search": Resource.AUDITLOG,
    "audit-export": Resource.AUDITLOG,
    "audit-entry": Resource.AUDITLOG,
}
"""Routes that show the installation to who may read it everywhere."""

FOR_EVERYBODY = frozenset(
    {
        "configuration", "me", "own-rights", "auths", "account-errors", "setup", "info", "schema", "expression-filters",
        "expression-functions", "plugin-list", "plugin-groups", "plugin-triggers", "plugin-inputs", "plugin-input",
        "plugin-schema", "plugin-properties", "plugin-icons", "plugin-group-icons", "plugin-icon", "plugin-icon-svg", "plugin",
        "plugin-versions", "plugin-version", "plugin-install", "plugin-ui-manifest", "api-tokens",
        "own-sessions", "dashboard-defaults", "dashboard-search", "dashboard",
        "dashboard-validate", "dashboard-validate-chart", "dashboard-preview", "dashboard-preview-export",
        "dashboard-preview-export-old", "dashboard-chart", "dashboard-chart-export", "dashboard-chart-export-old",
        "worker-tags", "flow-validate-task", "flow-validate-trigger", "permissions", "unknown", "logout", "account-create",
        "execution-start", "bulk-operations", "bulk-operation", "bulk-operation-stop",
    }
)  # fmt: skip
"""Routes that anybody signed in may call, for what they show or change belongs to the caller, or to nobody. What charts show is
narrowed by itself, see `test_twins.py`."""

OF_PEOPLE = frozenset(
    {
        "users", "user-search", "user", "user-password", "user-ownership", "user-second-factor", "user-sessions", "user-groups",
        "user-tokens", "user-token",
        "service-accounts", "service-account", "service-account-tokens", "service-account-token", "groups", "group-search",
        "group", "group-members", "group-member", "roles", "role-search", "role", "bindings", "binding-search", "binding-bulk",
        "binding", "own-password", "own-session", "own-sessions", "api-token", "api-tokens", "me",
    }
)  # fmt: skip
"""Accounts, roles and bindings; `tests/operations` and `tests/api` of theirs hold the expectations."""

OF_BLUEPRINTS = "blueprint"
"""Blueprints belong to the installation, see `tests/api/test_blueprints.py`."""


def walk_routes() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield name, pattern and methods of every route of the API, without the doubled ones that leave the tenant out."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for text, pattern in list_routes():
        view = getattr(pattern.callback, "cls", None)
        if text.startswith(("admin", "ui")) or view is None:
            continue
        methods = tuple(method for method in METHODS if hasattr(view, method.lower()))
        if (pattern.name or "", methods) not in seen:
            seen.add((pattern.name or "", methods))
            yield pattern.name or "", text, methods


def list_calls(table: Mapping[tuple[str, str], Call | list[Call]]) -> list[tuple[str, str, Call]]:
    """Return every call of a table with its route name and method."""
    return [
        (name, method, call)
        for (name, method), calls in table.items()
        for call in (calls if isinstance(calls, list) else [calls])
    ]
