"""What is changed on the pages of a namespace: pairs, secrets, files, variables and plugin defaults, and its deletion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.language.namespace_texts import read_defaults, read_variables
from flows.operations import key_values, namespace_files
from flows.operations import namespaces as operations
from flows.plugin_api.registry import get_registry
from flows.primitives.durations import parse_duration
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.problems import Problem, Severity
from flows.ui.page import name_of, redirect
from flows.ui.views.namespaces import answer_namespace

_TABS = {"kv": "kv", "secret": "secrets", "file": "files", "variables": "variables", "defaults": "plugin-defaults"}
"""Which tab an action belongs to, by the first word of its name."""


def act(request: HttpRequest, namespace: str, action: str) -> HttpResponse:
    """Write or delete something of a namespace, then back to the tab that it belongs to."""
    tab = _TABS.get(action.partition("-")[0], "overview")
    if action in ("variables-set", "defaults-set", "variables-check", "defaults-check"):
        return _change_text(request, namespace, *action.split("-"))
    try:
        note = _change(request, namespace, action)
    except ForbiddenError:
        raise
    except FlowsError as error:
        return redirect("namespace-tab", namespace, tab, problem=error.message[:500])
    if action == "delete":
        return redirect("namespaces", note=note)
    # A file that was written stays open.
    shown = {"path": request.POST.get("path", "").strip()} if action in ("file-save", "file-new") else {}
    return redirect("namespace-tab", namespace, tab, **shown, note=note)


def _change(request: HttpRequest, namespace: str, action: str) -> str:
    at, actor, sent = timezone.now(), name_of(request), request.POST
    key = sent.get("key", "").strip()
    match action:
        case "kv-set":
            ttl = parse_duration(sent["ttl"]) if sent.get("ttl", "").strip() else None
            facts: dict[str, Any] = {"ttl": ttl, "description": sent.get("description") or None, "at": at, "actor": actor}
            if kind := sent.get("kind", ""):
                text = sent.get(f"value_{kind.lower()}", sent.get("value", ""))
                key_values.set_key_value(namespace, key, _read_typed(kind, text), kind=kind, **facts)
            else:
                key_values.set_key_value_text(namespace, key, sent.get("value", ""), **facts)
            return f"Key {key} saved"
        case "kv-delete":
            key_values.delete_key_value(namespace, key, at=at, actor=actor)
            return f"Key {key} deleted"
        case "secret-set":
            about: dict[str, Any] = {"description": sent.get("description", ""), "tags": _read_tags(sent.get("tags", ""))}
            if sent.get("value", ""):
                operations.set_secret(namespace, key, sent["value"], **about, at=at, actor=actor)
            else:
                operations.describe_secret(namespace, key, **about, at=at, actor=actor)
            return f"Secret {key} saved"
        case "secret-delete":
            operations.delete_secret(namespace, key, at=at, actor=actor)
            return f"Secret {key} deleted"
        case "file-upload":
            uploads = request.FILES.getlist("file")
            if not uploads:
                raise InvalidError("Choose a file first.", code="upload-missing")
            folder = sent.get("folder", "").strip().strip("/")
            paths = [f"{folder}/{upload.name}" if folder else str(upload.name) for upload in uploads]
            for path, upload in zip(paths, uploads, strict=True):
                namespace_files.put_file(namespace, path, upload.file or b"", at=at, actor=actor)
            return f"File {paths[0]} stored" if len(paths) == 1 else f"{len(paths)} files stored"
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
            deleted = namespace_files.delete_file(namespace, sent.get("path", ""), at=at, actor=actor)
            return f"{sent.get('path', '')} deleted" if len(deleted) == 1 else f"{len(deleted)} files deleted"
        case "describe":
            _update(namespace, {"description": sent.get("description", "").strip().replace("\r\n", "\n")}, at=at, actor=actor)
            return "Description saved"
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


def _read_tags(text: str) -> list[dict[str, str]]:
    """Return tags that are written as `key:value`, divided by commas."""
    pairs = [part.strip().partition(":") for part in text.split(",") if part.strip()]
    wrong = [key for key, _, value in pairs if not key.strip() or not value.strip()]
    if wrong:
        raise InvalidError(f'Tag "{wrong[0][:100]}" must be written as key:value.', code="tag-form")
    return [{"key": key.strip(), "value": value.strip()} for key, _, value in pairs]


def _change_text(request: HttpRequest, namespace: str, what: str, verb: str) -> HttpResponse:
    """Check the variables or the plugin defaults that were sent as YAML, and store them when asked and nothing is wrong."""
    tab = _TABS[what]
    text = request.POST.get("text", "").replace("\r\n", "\n")
    if what == "variables":
        variables, problems = read_variables(text)
        values: dict[str, Any] = {"variables": variables}
    else:
        defaults, problems = read_defaults(text, get_registry())
        values = {"plugin_defaults": defaults}
    shown = {"text": text, "problems": problems, "is_checked": True}
    if verb == "check":
        return answer_namespace(request, namespace, tab, changes=shown)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return answer_namespace(request, namespace, tab, changes=shown, status=422)
    try:
        _update(namespace, values, at=timezone.now(), actor=name_of(request))
    except InvalidError as error:
        problem = Problem(error.code, error.message)
        return answer_namespace(request, namespace, tab, changes={**shown, "problems": [problem]}, status=422)
    return redirect("namespace-tab", namespace, tab, note=f"{'Variables' if what == 'variables' else 'Plugin defaults'} saved")


def _update(namespace: str, values: Mapping[str, Any], *, at: datetime, actor: str) -> None:
    """Store settings of a namespace, which may have existed only through what it owns."""
    is_described = operations.get_namespace(namespace).is_described
    save = operations.update_namespace if is_described else operations.create_namespace
    save(namespace, **values, at=at, actor=actor)
