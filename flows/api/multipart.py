"""Reads the inputs of an execution from a form, a JSON object or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework.request import Request

from flows.api.endpoint import media_type, read_object
from flows.primitives.errors import InvalidError

FORM_TYPES = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
OLD_FILE_PART = "files"


def read_inputs(request: Request, declared: Callable[[], Collection[str]]) -> dict[str, Any]:
    """
    Return what a request supplies, by dotted input id: text, a list of texts for a repeated part, an uploaded file, or any
    JSON value from a JSON body.

    Args:
        declared: gives the dotted ids that exist; only asked when a file or a nested object has to be assigned.

    Raises:
        InvalidError: a body of another kind.

    Source: REST API, 6.
    """
    kind = media_type(request)
    if kind in FORM_TYPES:
        return _read_form(request, declared)
    if kind == "application/json":
        return _read_json_inputs(read_object(request, default={}), declared)
    if int(request.META.get("CONTENT_LENGTH") or 0) == 0:
        return {}
    raise InvalidError(
        f'Inputs must be sent as multipart/form-data; got "{kind[:60] or "a body without a type"}".', code="inputs-type"
    )


def _read_form(request: Request, declared: Callable[[], Collection[str]]) -> dict[str, Any]:
    form = request._request
    supplied: dict[str, Any] = {}
    for name, values in form.POST.lists():
        supplied[str(name)] = values[0] if len(values) == 1 else list(values)
    if not form.FILES:
        return supplied
    known = declared()
    for name, files in form.FILES.lists():
        for file in files:
            supplied[_assign_file(str(name), file, known)] = file
    return supplied


def _assign_file(part: str, file: UploadedFile[Any], known: Collection[str]) -> str:
    """Return the input that a file belongs to: part and file name have changed their roles between versions of the API."""
    file_name = file.name or ""
    is_old_form = (part == OLD_FILE_PART and part not in known) or (part not in known and file_name in known)
    return file_name if is_old_form else part


def _read_json_inputs(body: Mapping[str, Any], declared: Callable[[], Collection[str]]) -> dict[str, Any]:
    values = body["inputs"] if set(body) == {"inputs"} and isinstance(body["inputs"], dict) else body
    if not any(isinstance(value, dict) for value in values.values()):
        return dict(values)
    supplied: dict[str, Any] = {}
    _flatten(values, "", declared(), supplied)
    return supplied


def _flatten(values: Mapping[str, Any], prefix: str, known: Collection[str], supplied: dict[str, Any]) -> None:
    for key, value in values.items():
        name = f"{prefix}{key}"
        is_group = isinstance(value, dict) and name not in known and any(one.startswith(f"{name}.") for one in known)
        if is_group:
            _flatten(value, f"{name}.", known, supplied)
        else:
            supplied[name] = value


def get_upload(request: Request, *names: str) -> UploadedFile[Any]:
    """Return the uploaded file of a form: the part with one of `names`, else the only file. Raises InvalidError."""
    files = request._request.FILES if media_type(request) == "multipart/form-data" else {}
    for name in names:
        if name in files:
            return files[name]
    if len(files) == 1:
        return next(iter(files.values()))
    raise InvalidError(f'The request needs a multipart form with a file in the part "{names[0]}".', code="upload-missing")
