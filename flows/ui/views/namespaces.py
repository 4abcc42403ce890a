"""Namespaces: their flows, variables, key-value pairs, files and the names of their secrets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from flows.operations import key_values, namespace_files
from flows.operations import namespaces as operations
from flows.primitives.durations import parse_duration
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.typed_values import Kind
from flows.queries.criteria import Condition, Operation
from flows.queries.executions import filter_executions
from flows.queries.flows import list_flows_of_namespace
from flows.queries.topology import find_topology
from flows.ui.filters import LISTED_STATES, read_filters
from flows.ui.keyset import take_slice
from flows.ui.page import Crumb, answer_page, name_of, redirect
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


def list_namespaces(request: HttpRequest) -> HttpResponse:
    """Show all namespaces as a tree."""
    query = request.GET.get("q", "")
    found = operations.list_namespaces(query=query)
    rows = [{"info": info, "depth": min(info.id.count("."), 8), "last": info.id.rpartition(".")[2]} for info in found]
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
    makers = {
        "overview": _overview,
        "flows": _overview,
        "kv": _kv,
        "files": _files,
        "secrets": _secrets,
        "variables": _variables,
        "plugin-defaults": _variables,
        "executions": _executions,
        "dependencies": _dependencies,
        "access": _access,
    }
    maker = makers.get(tab)
    if maker is None:
        raise NotFoundError(f'A namespace has no tab "{tab}".', code="unknown-tab")
    info = operations.get_namespace(namespace)
    context = {
        "info": info,
        "tab": tab,
        "tabs": TABS,
        "namespace_url": reverse("ui:namespace", args=[namespace]),
        **maker(request, namespace),
        "doomed": [(count, noun) for noun, count in operations.count_owned(namespace).items()],
    }
    crumbs = [Crumb("Namespaces", reverse("ui:namespaces")), Crumb(namespace)]
    return answer_page(request, f"flows/namespace/{tab}.html", context, title=namespace, nav="namespaces", crumbs=crumbs)


def _overview(request: HttpRequest, namespace: str) -> dict[str, Any]:
    return {
        "flows": list_flows_of_namespace(namespace),
        "key_count": key_values.list_key_values(namespace, at=timezone.now()).count(),
        "secret_count": len(operations.list_secrets(namespace)),
        "file_count": len(namespace_files.search_files(namespace)),
        "variables": operations.show_inherited_variables(namespace),
    }


def _kv(request: HttpRequest, namespace: str) -> dict[str, Any]:
    rows = list(key_values.list_key_values(namespace, at=timezone.now(), inherit=True)[:500])
    return {
        "rows": [{"pair": row, "text": _write_value(row.value), "is_own": row.namespace == namespace} for row in rows],
        "kinds": [kind.value for kind in Kind],
    }


def _access(request: HttpRequest, namespace: str) -> dict[str, Any]:
    return describe_access(namespace)


def _write_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _secrets(request: HttpRequest, namespace: str) -> dict[str, Any]:
    inherited = {
        owner: names for owner, names in operations.list_inherited_secrets(namespace).items() if owner != namespace and names
    }
    return {"rows": operations.list_secrets(namespace), "inherited": inherited}


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
                rows.append({"name": parts[depth], "path": f"/{folder}", "depth": min(depth, 4), "is_folder": True})
        rows.append({"name": parts[-1], "path": path, "depth": min(len(parts) - 1, 4), "is_folder": False})
    return rows


def _files(request: HttpRequest, namespace: str) -> dict[str, Any]:
    path = request.GET.get("path", "")
    files = namespace_files.search_files(namespace)
    context: dict[str, Any] = {"files": files[:2000], "tree": make_tree(files[:2000]), "path": path}
    if path:
        facts = namespace_files.stat_file(namespace, path)
        wanted = request.GET.get("version", "")
        version = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else None
        versions = [] if facts.is_directory else namespace_files.list_versions(namespace, path)[::-1]
        context |= {"version": version or facts.version, "versions": versions[:50]}
        with namespace_files.open_file(namespace, path, version=version) as stream:
            content = stream.read(PREVIEW_BYTES)
        is_text = b"\0" not in content
        context |= {"facts": facts, "text": content.decode("utf-8", "replace") if is_text else "", "is_text": is_text}
    return context


def _executions(request: HttpRequest, namespace: str) -> dict[str, Any]:
    fixed = (Condition("namespace", Operation.PREFIX, namespace),)
    filters = read_filters(request, names=("state", "range", "label"), fixed=fixed)
    rows = filter_executions(filters.criteria, at=timezone.now())
    return {"slice": take_slice(request, rows, moment="created_at"), "filters": filters, "states": LISTED_STATES}


def _dependencies(request: HttpRequest, namespace: str) -> dict[str, Any]:
    own = [(row.namespace, row.flow_id) for row in list_flows_of_namespace(namespace)]
    relations = find_topology(own).relations if own else []
    return {
        "relations": [
            {"source": source, "target": target, "kind": "starts" if kind == "FLOW_TASK" else "triggers"}
            for source, target, kind in relations
        ]
    }


def _variables(request: HttpRequest, namespace: str) -> dict[str, Any]:
    info = operations.get_namespace(namespace)

    def write(value: Any) -> str:
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True) if value else ""

    return {
        "own_text": write(dict(info.variables)),
        "defaults_text": write([dict(one) for one in info.plugin_defaults]),
        "inherited": write(operations.show_inherited_variables(namespace)),
    }


def act(request: HttpRequest, namespace: str, action: str) -> HttpResponse:
    """Write or delete something of a namespace, then back to the tab that it belongs to."""
    tab = {"kv": "kv", "secret": "secrets", "file": "files", "variables": "variables"}.get(action.partition("-")[0], "overview")
    try:
        note = _change(request, namespace, action)
    except ForbiddenError:
        raise
    except FlowsError as error:
        return redirect("namespace-tab", namespace, tab, problem=error.message[:500])
    if action == "delete":
        return redirect("namespaces", note=note)
    return redirect("namespace-tab", namespace, tab, note=note)


def _change(request: HttpRequest, namespace: str, action: str) -> str:
    at, actor, sent = timezone.now(), name_of(request), request.POST
    key = sent.get("key", "").strip()
    match action:
        case "kv-set":
            ttl = parse_duration(sent["ttl"]) if sent.get("ttl", "").strip() else None
            facts: dict[str, Any] = {"ttl": ttl, "description": sent.get("description") or None, "at": at, "actor": actor}
            if kind := sent.get("kind", ""):
                key_values.set_key_value(namespace, key, _read_typed(kind, sent.get("value", "")), kind=kind, **facts)
            else:
                key_values.set_key_value_text(namespace, key, sent.get("value", ""), **facts)
            return f"Key {key} saved"
        case "kv-delete":
            key_values.delete_key_value(namespace, key, at=at, actor=actor)
            return f"Key {key} deleted"
        case "secret-set":
            operations.set_secret(
                namespace, key, sent.get("value", ""), description=sent.get("description") or None, at=at, actor=actor
            )
            return f"Secret {key} saved"
        case "secret-delete":
            operations.delete_secret(namespace, key, at=at, actor=actor)
            return f"Secret {key} deleted"
        case "file-upload":
            upload = request.FILES.get("file")
            if upload is None:
                raise InvalidError("Choose a file first.", code="upload-missing")
            folder = sent.get("folder", "").strip().strip("/")
            path = f"{folder}/{upload.name}" if folder else str(upload.name)
            namespace_files.put_file(namespace, path, upload.file or b"", at=at, actor=actor)
            return f"File {path} stored"
        case "file-save":
            namespace_files.put_file(
                namespace, sent.get("path", ""), sent.get("text", "").replace("\r\n", "\n").encode(), at=at, actor=actor
            )
            return f"File {sent.get('path', '')} saved"
        case "file-new":
            path = sent.get("path", "").strip()
            namespace_files.put_file(namespace, path, b"", at=at, actor=actor, conflict="ERROR")
            return f"File {path} created"
        case "file-move":
            moved = namespace_files.move_file(namespace, sent.get("path", ""), sent.get("target", "").strip(), at=at, actor=actor)
            return f"{len(moved)} {'file' if len(moved) == 1 else 'files'} moved"
        case "file-delete":
            namespace_files.delete_file(namespace, sent.get("path", ""), at=at, actor=actor)
            return f"File {sent.get('path', '')} deleted"
        case "variables-set":
            # Each of the two has a page of its own; what is not sent stays.
            variables = _read_yaml(sent["variables"], dict) if "variables" in sent else None
            defaults = _read_yaml(sent["defaults"], list) if "defaults" in sent else None
            if operations.get_namespace(namespace).is_described:
                operations.update_namespace(namespace, variables=variables, plugin_defaults=defaults, at=at, actor=actor)
            else:
                operations.create_namespace(namespace, variables=variables, plugin_defaults=defaults, at=at, actor=actor)
            return "Variables and plugin defaults saved"
        case "delete":
            operations.delete_namespace(namespace, at=at, actor=actor)
            return f"Namespace {namespace} deleted"
    raise NotFoundError(f'A namespace has no action "{action[:60]}".', code="unknown-action")


def _read_typed(kind: str, text: str) -> Any:
    """Return the value of a typed field: JSON, numbers and flags are read, everything else stays text for the store to check."""
    if kind not in ("JSON", "NUMBER", "BOOLEAN"):
        return text.replace("\r\n", "\n") if kind == "STRING" else text.strip()
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidError(f"The value is no {kind.lower()}: {error}.", code="kv-value") from error


def _read_yaml(text: str, kind: type) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidError(f"This is no YAML: {error}", code="yaml") from error
    value = kind() if value is None else value
    if not isinstance(value, kind):
        raise InvalidError(f"This must be a {'map' if kind is dict else 'list'} in YAML.", code="yaml-shape")
    return value


def download_file(request: HttpRequest, namespace: str) -> HttpResponseBase:
    """Answer with the content of a namespace file, never to be shown by the browser."""
    path = request.GET.get("path", "")
    facts = namespace_files.stat_file(namespace, path)
    return FileResponse(namespace_files.open_file(namespace, path), as_attachment=True, filename=facts.name)
