"""Files that belong to executions: download, size and preview."""

from __future__ import annotations

import base64
import codecs
from typing import IO, Any
from urllib.parse import quote

from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_file, format_moment
from flows.api.describing import BYTES, NUMBER, TEXT, Value, describes, list_of, object_of
from flows.api.errors import BadRequestError
from flows.api.pagination import read_number, read_required
from flows.models import Execution
from flows.primitives.errors import InvalidError
from flows.queries import executions as queries
from flows.queries.execution_files import get_readable_address, list_execution_files
from flows.queries.visibility import visible
from flows.storage import get_storage
from flows.storage.uri import Address, ForeignFileError, parse_address

MOST_PREVIEW_ROWS = 5000
LARGEST_PREVIEW_BYTES = 1024 * 1024
LARGEST_IMAGE_BYTES = 10 * 1024 * 1024

_IMAGES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "bmp"})
_ROWS = frozenset({"ion", "jsonl", "ndjson"})


class _OtherOwnerError(Exception):
    """The file belongs to an execution that this one started."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id


def _check(request: Request, execution_id: str) -> Address:
    """
    Return the address of the file that a request names, when the execution may read it.

    Raises:
        InvalidError: no address, or a file of somebody else.
        _OtherOwnerError: the file of an execution that this one started.
    """
    execution = queries.get_execution(execution_id)
    uri = read_required(request, "path")
    try:
        return get_readable_address(execution, uri)
    except ForeignFileError as error:
        owner = parse_address(uri).execution_id()
        if owner and _is_below(execution, owner):
            raise _OtherOwnerError(owner) from error
        raise InvalidError(error.message, code=error.code) from error


def _is_below(execution: Execution, owner: str) -> bool:
    found = visible(Execution).filter(pk=owner).first()
    return found is not None and execution.id in queries.list_related_ids(found)


def _redirect(request: Request, execution_id: str, owner: str) -> HttpResponse:
    # The route is the same, so only the id in it changes; a client repeats its credentials on its own server.
    response = HttpResponseRedirect(
        request.path.replace(execution_id, owner, 1) + f"?path={quote(read_required(request, 'path'))}"
    )
    response.status_code = 307
    return response


@describes(answer=list_of(object_of(["uri", "size"], uri=TEXT, size=NUMBER, modified=TEXT)))
def list_all(request: Request, execution_id: str) -> HttpResponse:
    """Return the stored files of an execution: address, size in bytes and moment of the last change."""
    found = list_execution_files(execution_id)
    return answer([{"uri": each.uri, "size": each.size_bytes, "modified": format_moment(each.modified_at)} for each in found])


@describes(
    Value("path", "Address of the file, such as `kestra:///...`.", required=True), answer=BYTES, media="application/octet-stream"
)
def download(request: Request, execution_id: str) -> HttpResponseBase:
    """Return the content of a stored file."""
    try:
        address = _check(request, execution_id)
    except _OtherOwnerError as other:
        return _redirect(request, execution_id, other.execution_id)
    return answer_file(get_storage().open_read(str(address)), name=_plain_name(address))


def _plain_name(address: Address) -> str:
    """Return the file's own name, without the random part that keeps stored names apart."""
    name = address.parts[-1]
    mark, dash, rest = name.partition("-")
    is_marked = len(mark) == 16 and all(letter in "0123456789abcdef" for letter in mark)
    return rest if dash and rest and is_marked else name


@describes(Value("path", "Address of the file, such as `kestra:///...`.", required=True), answer="FileSize")
def stat(request: Request, execution_id: str) -> HttpResponse:
    """Return the size of a stored file."""
    try:
        address = _check(request, execution_id)
    except _OtherOwnerError as other:
        return _redirect(request, execution_id, other.execution_id)
    return answer({"size": get_storage().size(str(address))})


@describes(
    Value("path", "Address of the file, such as `kestra:///...`.", required=True),
    Value("maxRows", "How many lines at most.", NUMBER),
    Value("encoding", "Of a text, such as UTF-8."),
    answer="Preview",
)
def preview(request: Request, execution_id: str) -> HttpResponse:
    """Return the beginning of a stored file in a form that a page can show."""
    try:
        address = _check(request, execution_id)
    except _OtherOwnerError as other:
        return _redirect(request, execution_id, other.execution_id)
    most_rows = min(max(1, read_number(request, "maxRows", default=100)), MOST_PREVIEW_ROWS)
    encoding = request.query_params.get("encoding") or "UTF-8"
    try:
        codecs.lookup(encoding)
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise BadRequestError(f'"{encoding[:60]}" is no known text encoding.') from error
    extension = _plain_name(address).rpartition(".")[2].lower()
    with get_storage().open_read(str(address)) as stream:
        return answer({"extension": extension, "maxLine": most_rows, **_read_preview(stream, extension, most_rows, encoding)})


def _read_preview(stream: IO[bytes], extension: str, most_rows: int, encoding: str) -> dict[str, Any]:
    if extension in _IMAGES or extension == "pdf":
        content = stream.read(LARGEST_IMAGE_BYTES + 1)
        kind = "PDF" if extension == "pdf" else "IMAGE"
        if len(content) > LARGEST_IMAGE_BYTES:
            return {"type": kind, "content": "", "truncated": True}
        return {"type": kind, "content": base64.b64encode(content).decode("ascii"), "truncated": False}
    lines, truncated = _read_lines(stream, most_rows, encoding)
    if extension in _ROWS:
        return {"type": "LIST", "content": lines, "truncated": truncated}
    return {"type": "MARKDOWN" if extension == "md" else "TEXT", "content": "\n".join(lines), "truncated": truncated}


def _read_lines(stream: IO[bytes], most_rows: int, encoding: str) -> tuple[list[str], bool]:
    content = stream.read(LARGEST_PREVIEW_BYTES)
    lines = content.decode(encoding, "replace").splitlines()
    truncated = len(lines) > most_rows or bool(stream.read(1))
    return lines[:most_rows], truncated
