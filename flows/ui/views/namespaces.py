"""Namespaces: their flows, variables, key-value pairs, files and the names of their secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import yaml
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.models import Namespace
from flows.operations import key_values, namespace_files
from flows.operations import namespaces as operations
from flows.primitives.callers import current_caller
from flows.primitives.durations import format_duration
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import State
from flows.primitives.typed_values import Kind
from flows.queries import overview
from flows.queries.criteria import Condition, Operation
from flows.queries.executions import filter_executions
from flows.queries.flows import list_flows_of_namespace
from flows.queries.last_runs import list_last_runs
from flows.queries.namespaces import RECENT, count_recent_failures, find_secret_uses, list_known_secrets
from flows.ui.filters import LISTED_STATES, read_filters
from flows.ui.keyset import take_slice
from flows.ui.marks import check_mark
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.painters.charts import draw_history
from flows.ui.views.dependencies import describe_dependencies
from flows.ui.views.execution_list import SHOWN_FIELDS
from flows.ui.views.roles import describe_access

TABS = (
    ("overview", "Overview"),
    ("flows", "Flows"),
    ("executions", "Executions"),
    ("kv", "Key-value store"),
    ("files", "Files"),
    ("secrets", "Secrets"),
    ("variables", "Variables"),
    ("plugin-defaults", "Plugin defaults"),
    ("dependencies", "Dependencies"),
    ("access", "Access"),
)
PREVIEW_BYTES = 256 * 1024
MOST_USES = 8
LISTED = 5
MOST_KEYS = 500
MOST_FILES = 2000


def list_namespaces(request: HttpRequest) -> HttpResponse:
    """Show all namespaces as a tree, each with its flows and recent failures, those below it included."""
    query = request.GET.get("q", "")
    found = operations.list_namespaces(query=query)
    failed = count_recent_failures(at=timezone.now())
    rows = []
    for info in found:
        below = f"{info.id}."
        rows.append(
            {
                "info": info,
                "depth": 0 if query else min(info.id.count("."), 8),
                "last": info.id.rpartition(".")[2],
                "all_flows": sum(one.flow_count for one in found if one.id == info.id or one.id.startswith(below)),
                "failures": sum(count for name, count in failed.items() if name == info.id or name.startswith(below)),
            }
        )
    return answer_page(request, "flows/namespace_list.html", {"rows": rows, "text": query}, title="Namespaces", nav="namespaces")


def create_namespace(request: HttpRequest) -> HttpResponse:
    """Create a namespace and lead to it."""
    info = operations.create_namespace(
        request.POST.get("id", "").strip(),
        description=request.POST.get("description", ""),
        at=timezone.now(),
        actor=name_of(request),
    )
    return redirect("namespace", info.id, note=f"Namespace {info.id} created")


def show_namespace(request: HttpRequest, namespace: str, tab: str = "overview") -> HttpResponse:
    """Show one tab of a namespace."""
    return answer_namespace(request, namespace, tab)


def answer_namespace(
    request: HttpRequest, namespace: str, tab: str, *, changes: Mapping[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """
    Answer with a tab of a namespace.

    Args:
        changes: laid over what the tab shows, for a text that was sent and refused.

    Raises:
        NotFoundError: there is no such namespace or tab.
    """
    makers: dict[str, Callable[[HttpRequest, str], dict[str, Any]]] = {
        "overview": _overview,
        "flows": _flows,
        "kv": _kv,
        "files": _files,
        "secrets": _secrets,
        "variables": partial(_texts, "variables"),
        "plugin-defaults": partial(_texts, "plugin-defaults"),
        "executions": _executions,
        "dependencies": _dependencies,
        "access": _access,
    }
    maker = makers.get(tab)
    if maker is None:
        raise NotFoundError(f'A namespace has no tab "{tab}".', code="unknown-tab")
    info, made = operations.get_namespace(namespace), maker(request, namespace)
    owned = operations.count_owned(namespace)
    context = {
        "info": info,
        "row": Namespace(pk=namespace) if info.is_described else None,
        "tab": tab,
        "tabs": TABS,
        "namespace_url": reverse("ui:namespace", args=[namespace]),
        "owned": owned,
        "key_count": owned["key-value pairs"],
        **made,
        **(changes or {}),
    }
    crumbs = [Crumb("Namespaces", reverse("ui:namespaces")), Crumb(namespace, copies=namespace)]
    return answer_page(
        request, f"flows/namespace/{tab}.html", context, title=namespace, nav="namespaces", crumbs=crumbs, status=status
    )


def _overview(request: HttpRequest, namespace: str) -> dict[str, Any]:
    at = timezone.now()
    scope = overview.Scope(at - RECENT, at, overview.make_conditions(namespace, "", ()))
    history = overview.count_history(scope)
    url = f"{reverse('ui:executions')}?{urlencode({'namespace': namespace})}&"
    return {
        **_flows(request, namespace),
        "history": draw_history(history.buckets, url=url, length=history.length) if history.total else "",
        "total": history.total,
        "failed": history.totals.get(State.FAILED, 0),
        "ratio": history.ratio,
        "failures": overview.list_failures(scope, LISTED),
        "coming": overview.list_coming(scope, LISTED),
    }


def _flows(request: HttpRequest, namespace: str) -> dict[str, Any]:
    flows = list_flows_of_namespace(namespace)
    runs = list_last_runs([(flow.namespace, flow.flow_id) for flow in flows], count=1)
    return {"flows": [(flow, next(iter(runs.get((flow.namespace, flow.flow_id), ())), None)) for flow in flows]}


def _kv(request: HttpRequest, namespace: str) -> dict[str, Any]:
    at, text = timezone.now(), read_text(request)
    found = list(key_values.list_key_values(namespace, at=at, inherit=True, query=text)[: MOST_KEYS + 1])
    is_cut = len(found) > MOST_KEYS
    del found[MOST_KEYS:]
    nearest: dict[str, str] = {}
    for pair in sorted(found, key=lambda pair: -len(pair.namespace)):
        nearest.setdefault(pair.key, pair.namespace)
    rows = [
        {
            "pair": pair,
            "text": _write_value(pair.value),
            "expression": f"{{{{ kv('{pair.key}') }}}}",
            "owner": pair.namespace,
            "is_own": pair.namespace == namespace,
            "shadowed_by": nearest[pair.key] if nearest[pair.key] != pair.namespace else None,
            "shadows": None,
            "ttl": format_duration(timedelta(seconds=int((pair.expires_at - at).total_seconds()) + 1)) if pair.expires_at else "",
        }
        for pair in found
    ]
    # Those of the namespace itself come first; sorting keeps the order of the keys.
    rows.sort(key=lambda row: not row["is_own"])
    return {"rows": rows, "kinds": [kind.value for kind in Kind], "text": text, "is_cut": is_cut}


def read_text(request: HttpRequest) -> str:
    """Return what somebody searches for on a tab, without what no name can hold."""
    return request.GET.get("q", "").strip().replace("\0", "")[:200]


def _access(request: HttpRequest, namespace: str) -> dict[str, Any]:
    return describe_access(namespace)


def _write_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _secrets(request: HttpRequest, namespace: str) -> dict[str, Any]:
    text = read_text(request)
    found = find_secret_uses(namespace)
    secrets = list_known_secrets(namespace)
    rows = []
    for secret in [secret for secret in secrets if text.lower() in secret.key.lower()]:
        # Flows read the nearest one, so the others are used by nobody here.
        uses = found.get(secret.key.upper(), []) if secret.shadowed_by is None else []
        tags = ", ".join(f"{key}:{value}" for key, value in secret.tags)
        more = max(0, len(uses) - MOST_USES)
        rows.append(
            {
                "secret": secret,
                "expression": f"{{{{ secret('{secret.key}') }}}}",
                "owner": secret.owner,
                "is_own": secret.owner == namespace,
                "shadows": secret.shadows,
                "shadowed_by": secret.shadowed_by,
                "uses": uses[:MOST_USES],
                "more": more,
                "tags": tags,
            }
        )
    known = {secret.key.upper() for secret in secrets}
    missing = [(key, flows[:MOST_USES]) for key, flows in sorted(found.items()) if key not in known]
    return {"rows": rows, "missing": missing, "text": text}


def make_tree(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return folders and files as rows with their depth, a folder before what is in it; the paths are sorted."""
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for path in paths:
        parts = path.strip("/").split("/")
        for depth in range(len(parts) - 1):
            folder = "/".join(parts[: depth + 1])
            if folder not in seen:
                seen.add(folder)
                row = {"name": parts[depth], "path": f"/{folder}", "depth": min(depth, 4), "is_folder": True, "folder": folder}
                rows.append(row)
        folder = "/".join(parts[:-1])
        rows.append({"name": parts[-1], "path": path, "depth": min(len(parts) - 1, 4), "is_folder": False, "folder": folder})
    return rows


def _files(request: HttpRequest, namespace: str) -> dict[str, Any]:
    path, text = request.GET.get("path", ""), read_text(request)
    found = namespace_files.search_files(namespace, text)
    caller = current_caller()
    context: dict[str, Any] = {
        "files": found[:MOST_FILES],
        "is_cut_tree": len(found) > MOST_FILES,
        "tree": make_tree(found[:MOST_FILES]),
        "path": path,
        "text_q": text,
        "may_upload": any(caller.may(action, Resource.FILE, namespace) for action in (Action.CREATE, Action.UPDATE)),
    }
    if path:
        facts = namespace_files.stat_file(namespace, path)
        version = _read_version(request)
        versions = [] if facts.is_directory else namespace_files.list_versions(namespace, path)[::-1]
        context |= {"version": version or facts.version, "versions": versions[:50]}
        with namespace_files.open_file(namespace, path, version=version) as stream:
            content = stream.read(PREVIEW_BYTES)
        is_text = b"\0" not in content
        context |= {"facts": facts, "text": content.decode("utf-8", "replace") if is_text else "", "is_text": is_text}
        context["is_cut"] = facts.size_bytes > PREVIEW_BYTES
    return context


def _read_version(request: HttpRequest) -> int | None:
    wanted = request.GET.get("version", "")
    return int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else None


def _executions(request: HttpRequest, namespace: str) -> dict[str, Any]:
    fixed = (Condition("namespace", Operation.PREFIX, namespace),)
    filters = read_filters(request, names=("state", "range", "label"), fixed=fixed)
    rows = filter_executions(filters.criteria, at=timezone.now())
    taken = take_slice(request, rows.only(*SHOWN_FIELDS), moment="created_at")
    return {"mark": check_mark(request, taken), "slice": taken, "filters": filters, "states": LISTED_STATES}


def _dependencies(request: HttpRequest, namespace: str) -> dict[str, Any]:
    own = [(row.namespace, row.flow_id) for row in list_flows_of_namespace(namespace)]
    return describe_dependencies(request, own, depth="1")


def _texts(tab: str, request: HttpRequest, namespace: str) -> dict[str, Any]:
    info = operations.get_namespace(namespace)

    def write(value: Any) -> str:
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True) if value else ""

    if tab == "variables":
        return {"text": write(dict(info.variables)), "seen": write(operations.show_inherited_variables(namespace))}
    inherited = [(owner, write(list(defaults))) for owner, defaults in operations.show_inherited_defaults(namespace)]
    return {"text": write([dict(one) for one in info.plugin_defaults]), "inherited": inherited}


def download_file(request: HttpRequest, namespace: str) -> HttpResponseBase:
    """Answer with the content of a namespace file, of the version that the address names, never to be shown by the browser."""
    path = request.GET.get("path", "")
    facts = namespace_files.stat_file(namespace, path)
    content = namespace_files.open_file(namespace, path, version=_read_version(request))
    return FileResponse(content, as_attachment=True, filename=facts.name)
