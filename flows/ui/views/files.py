"""Files of executions: the preview as a page and in a drawer, and the content as a browser may have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from flows.models import Execution
from flows.primitives.errors import InvalidError
from flows.queries import executions as queries
from flows.queries.execution_files import get_readable_address
from flows.storage import get_storage
from flows.storage.uri import Address, ForeignFileError, parse_address
from flows.ui.page import Crumb, answer_page
from flows.ui.previews import ENCODINGS, MOST_ROWS, ROWS_AT_ONCE, SHOWN_TYPES, make_preview
from flows.ui.stored_values import plain_name
from flows.ui.views.execution_page import make_link

_CHUNK = 64 * 1024

# A document under this policy has no origin, runs nothing and loads nothing; it may stand in a frame of ours.
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
# The browsers' own viewer of PDF files does not work in a sandbox; it runs apart from our origin.
_VIEWER = "default-src 'none'; object-src 'self'; plugin-types application/pdf; frame-ancestors 'self'"


def preview_file(request: HttpRequest, execution_id: str) -> HttpResponse:
    """Show the beginning of a stored file; never as something that a browser runs."""
    execution = queries.get_execution(execution_id)
    context = make_file_preview(request, execution, request.GET.get("path", ""))
    crumbs = [Crumb("Executions", "/ui/executions"), Crumb(execution.id, f"/ui/e/{execution.id}"), Crumb(context["name"])]
    return answer_page(request, "flows/file.html", context, title=context["name"], nav="executions", crumbs=crumbs)


def make_file_preview(request: HttpRequest, execution: Execution, uri: str) -> dict[str, Any]:
    """
    Return what the preview of a file shows; encoding and number of rows stand in the address.

    Raises:
        InvalidAddressError, ForbiddenError: see `check_may_read`.
        StoredFileNotFoundError: the file is gone.
    """
    address = _find_readable(execution, uri)
    storage = get_storage()
    size = storage.size(str(address))
    encoding = request.GET.get("encoding", "") or "utf-8"
    rows = request.GET.get("rows", "")
    most_rows = min(int(rows), MOST_ROWS) if rows.isascii() and rows.isdigit() and 0 < len(rows) < 6 else ROWS_AT_ONCE
    name = plain_name(address)
    with storage.open_read(str(address)) as stream:
        preview = make_preview(name, stream, size, encoding=encoding, most_rows=max(1, most_rows))
    query = urlencode({"path": str(address)})
    link = make_link(request)
    return {
        "name": name,
        "size": size,
        "preview": preview,
        "encoding": encoding,
        "encodings": ENCODINGS,
        "encoding_links": [(one, link(encoding=one)) for one in ENCODINGS],
        "execution": execution,
        "raw_url": f"{reverse('ui:execution-file-raw', args=[execution.id])}?{query}",
        "page_url": f"{reverse('ui:execution-file', args=[execution.id])}?{query}",
        "download_url": f"/api/v1/main/executions/{execution.id}/file?{query}",
        "more_url": link(rows=str(most_rows + 400)) if preview.has_more_rows and most_rows < MOST_ROWS else "",
    }


def _find_readable(execution: Execution, uri: str) -> Address:
    """Return the address of a file that belongs to an execution, to one it came from, or to one that it started."""
    try:
        return get_readable_address(execution, uri)
    except ForeignFileError:
        address = parse_address(uri)
        owner = address.execution_id()
        if owner and execution.id in queries.list_related_ids(queries.get_execution(owner)):
            return address
        raise


def send_raw(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    """Send a picture, a sound, a film or a PDF file as it is, under a policy that lets it do nothing. Other files are refused."""
    execution = queries.get_execution(execution_id)
    address = _find_readable(execution, request.GET.get("path", ""))
    name = plain_name(address)
    content_type = SHOWN_TYPES.get(name.rpartition(".")[2].lower())
    if content_type is None:
        raise InvalidError(f'"{name}" is not of a kind that is shown as it is: download it instead.', code="file-kind")
    size = get_storage().size(str(address))
    first, last = _read_range(request.headers.get("Range", ""), size)
    content = _read_part(str(address), first, last)
    status = 206 if request.headers.get("Range") else 200
    response = StreamingHttpResponse(content, content_type=content_type, status=status)
    response["Content-Length"] = str(last - first + 1)
    response["Accept-Ranges"] = "bytes"
    if response.status_code == 206:
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Content-Security-Policy"] = _VIEWER if content_type == "application/pdf" else _SANDBOX
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Content-Disposition"] = "inline"
    return response


def _read_range(text: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte that a header `bytes=0-99` asks for; everything when it asks for nothing that exists."""
    first, dash, last = text.removeprefix("bytes=").partition("-")
    if not dash or not all(part.isascii() and (part.isdigit() or not part) and len(part) < 19 for part in (first, last)):
        return 0, size - 1
    if not first:
        return (max(0, size - int(last)), size - 1) if last else (0, size - 1)
    begin, end = int(first), min(int(last), size - 1) if last else size - 1
    return (begin, end) if begin <= end else (0, size - 1)


def _read_part(uri: str, first: int, last: int) -> Iterator[bytes]:
    # Opened here, so that an answer which nobody reads leaves no open file.
    with get_storage().open_read(uri) as stream:
        if first and stream.seekable():
            stream.seek(first)
        elif first:
            stream.read(first)
        left = last - first + 1
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
