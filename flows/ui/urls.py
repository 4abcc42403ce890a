"""Addresses of the console. Shapes follow what links and bookmarks already use; fixed words stand above variables."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver

from flows.ui.page import route
from flows.ui.views import (
    execution,
    execution_acts,
    execution_list,
    flow,
    flow_list,
    home,
    logs,
    namespaces,
    palette,
    plugins,
    session,
    start,
    system,
    triggers,
)

app_name = "ui"


def _refuse_unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    raise Http404


_EXECUTION = "executions/<str:namespace>/<str:flow_id>/<str:execution_id>"
_FLOW = "flows/edit/<str:namespace>/<str:flow_id>"
_TRIGGER = "triggers/<str:namespace>/<str:flow_id>/<str:trigger_id>"

urlpatterns: list[URLPattern | URLResolver] = [
    route("", "home", get=home.show_home),
    route("welcome", "welcome", get=home.show_welcome),
    route("login", "login", get=session.show_login, post=session.log_in),
    route("logout", "logout", post=session.log_out),
    route("main", "tenant-root", get=execution.redirect_tenant),
    route("main/<path:rest>", "tenant", get=execution.redirect_tenant),
    route("palette", "palette", get=palette.search),
    route("completion", "completion", get=palette.send_index),
    route("flows", "flows", get=flow_list.list_flows, post=flow_list.change_flows),
    route("flows/new", "flow-new", get=flow.show_new),
    route("flows/search", "source-search", get=flow_list.search_sources),
    route("flows/check", "flow-check", post=flow.check_source),
    route("flows/save", "flow-save", post=flow.save_source),
    route(f"{_FLOW}/execute", "flow-execute", get=start.show_form, post=start.start),
    route(f"{_FLOW}/execute/fields", "flow-execute-fields", post=start.refresh_form),
    route(f"{_FLOW}/download", "flow-download", get=flow.download_source),
    route(f"{_FLOW}/act/<str:action>", "flow-act", post=flow.act),
    route(_FLOW, "flow", get=flow.show_flow),
    route(f"{_FLOW}/<str:tab>", "flow-tab", get=flow.show_flow),
    route("flows/<str:namespace>/<str:flow_id>", "flow-bare", get=flow.redirect_bare),
    route("executions", "executions", get=execution_list.list_executions, post=execution_list.change_executions),
    route("executions/file/<str:execution_id>", "execution-file", get=execution_acts.preview_file),
    route("e/<str:execution_id>", "execution-short", get=execution.redirect_short),
    route(f"{_EXECUTION}/act/<str:action>", "execution-act", post=execution_acts.act),
    route(_EXECUTION, "execution", get=execution.show_execution),
    route(f"{_EXECUTION}/<str:tab>", "execution-tab", get=execution.show_execution),
    route("inbox", "inbox", get=system.show_inbox),
    route("logs", "logs", get=logs.search_logs),
    route("triggers", "triggers", get=triggers.list_triggers),
    route(f"{_TRIGGER}/backfill", "backfill", get=triggers.show_backfill),
    route(f"{_TRIGGER}/act/<str:action>", "trigger-act", post=triggers.act),
    route("namespaces", "namespaces", get=namespaces.list_namespaces, post=namespaces.create_namespace),
    route("namespaces/<str:namespace>/file", "namespace-file", get=namespaces.download_file),
    route("namespaces/<str:namespace>/act/<str:action>", "namespace-act", post=namespaces.act),
    route("namespaces/<str:namespace>", "namespace", get=namespaces.show_namespace),
    route("namespaces/<str:namespace>/<str:tab>", "namespace-tab", get=namespaces.show_namespace),
    route("plugins", "plugins", get=plugins.list_plugins),
    route("plugins/<str:name>", "plugin", get=plugins.show_plugin),
    route("system", "system", get=system.show_system),
    route("settings", "settings", get=system.show_settings),
    route("<path:rest>", "unknown", get=_refuse_unknown, post=_refuse_unknown),
]
