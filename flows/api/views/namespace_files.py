"""Files of namespaces."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_file, answer_nothing
from flows.api.auth import name_of
from flows.api.describing import (
    BYTES,
    FILE_PATH,
    FOLDER_PATH,
    FORM_TYPE,
    NUMBER,
    QUERY,
    REVISION,
    TEXT,
    Value,
    describes,
    list_of,
    object_of,
)
from flows.api.endpoint import now
from flows.api.multipart import get_upload
from flows.api.pagination import find_number, read_required
from flows.operations import namespace_files as operations


def _milliseconds(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0


def _present(facts: operations.FileFacts) -> dict[str, Any]:
    return {
        "fileName": facts.name,
        "type": "Directory" if facts.is_directory else "File",
        "size": facts.size_bytes,
        "lastModifiedTime": _milliseconds(facts.modified_at),
        "creationTime": _milliseconds(facts.created_at),
    }


@describes(FILE_PATH, body={FORM_TYPE: object_of(["fileContent"], fileContent=BYTES)}, answer=None)
def upload(request: Request, namespace: str) -> HttpResponse:
    """Store a file; an archive is unpacked at the root."""
    path = read_required(request, "path")
    file = get_upload(request, "fileContent", "file")
    if path.lower().endswith(".zip"):
        operations.import_files(namespace, file.read(), at=now(), actor=name_of(request))
    else:
        operations.put_file(namespace, path, file.file or b"", at=now(), actor=name_of(request))
    return answer_nothing(200)


@describes(FILE_PATH, REVISION, answer=BYTES, media="application/octet-stream")
def download(request: Request, namespace: str) -> HttpResponseBase:
    """Return the content of a file."""
    path = read_required(request, "path")
    stream = operations.open_file(namespace, path, version=find_number(request, "revision"))
    return answer_file(stream, name=path.rstrip("/").rpartition("/")[2])


@describes(Value("from", "The path so far.", required=True), Value("to", "The new path.", required=True), answer=None)
def move(request: Request, namespace: str) -> HttpResponse:
    """Give a file or folder another path."""
    operations.move_file(
        namespace, read_required(request, "from"), read_required(request, "to"), at=now(), actor=name_of(request)
    )
    return answer_nothing(200)


@describes(FILE_PATH, answer=None)
def delete(request: Request, namespace: str) -> HttpResponse:
    """Delete a file, or a folder with its content."""
    operations.delete_file(namespace, read_required(request, "path"), at=now(), actor=name_of(request))
    return answer_nothing(200)


@describes(FOLDER_PATH, answer="File")
def stat(request: Request, namespace: str) -> HttpResponse:
    """Return what is known of a file or folder."""
    return answer(_present(operations.stat_file(namespace, request.query_params.get("path", ""))))


@describes(FOLDER_PATH, answer=list_of("File"))
def list_folder(request: Request, namespace: str) -> HttpResponse:
    """Return what lies directly in a folder."""
    return answer([_present(facts) for facts in operations.list_folder(namespace, request.query_params.get("path") or "/")])


@describes(FILE_PATH, answer=None)
def make_folder(request: Request, namespace: str) -> HttpResponse:
    """Make a folder."""
    operations.make_folder(namespace, read_required(request, "path"), at=now(), actor=name_of(request))
    return answer_nothing(200)


@describes(QUERY, answer=list_of(TEXT))
def search(request: Request, namespace: str) -> HttpResponse:
    """Return the paths of the files that hold a text."""
    return answer(operations.search_files(namespace, request.query_params.get("q", "")))


@describes(FILE_PATH, answer=list_of(object_of(["revision"], revision=NUMBER)))
def list_revisions(request: Request, namespace: str) -> HttpResponse:
    """Return the versions of a file."""
    return answer([{"revision": row.version} for row in operations.list_versions(namespace, read_required(request, "path"))])


@describes(answer=BYTES, media="application/zip")
def export(request: Request, namespace: str) -> HttpResponseBase:
    """Return all files of a namespace as a zip."""
    return answer_file(operations.export_files(namespace), name=f"{namespace}_files.zip", content_type="application/zip")
