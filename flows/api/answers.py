"""Ways to answer a request: JSON by a fast encoder, files, and nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import IO, Any
from urllib.parse import quote

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from flows.primitives.durations import format_duration

_FORMULA_MARKS = "=+-@\t\r"


def format_moment(moment: datetime) -> str:
    """Return an aware moment as ISO text in UTC with a `Z` at its end."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:-6] + "Z"


def _encode_other(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    if hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_encode_other)


def encode_json(data: Any) -> str:
    """Return `data` as compact JSON text. Moments, dates and durations become ISO text."""
    return _encoder.encode(data)


def answer(data: Any, status: int = 200) -> HttpResponse:
    """Answer with JSON."""
    # A lone surrogate is legal in JSON escapes but has no UTF-8 form, so it goes out as a question mark.
    return HttpResponse(encode_json(data).encode("utf-8", "replace"), status=status, content_type="application/json")


def answer_nothing(status: int = 204) -> HttpResponse:
    """Answer without a body."""
    return HttpResponse(status=status)


def answer_page(results: Iterable[Any], total: int) -> HttpResponse:
    """Answer with one page of a list. Both keys are always there."""
    return answer({"results": list(results), "total": total})


def answer_bulk(count: int, operation_id: str) -> HttpResponse:
    """Answer a bulk action with the keys of both generations of clients."""
    return answer({"count": count, "operationId": operation_id, "totalItems": count})


def answer_file(content: IO[bytes] | bytes, *, name: str, content_type: str = "application/octet-stream") -> HttpResponseBase:
    """Answer with a file to be saved under `name`. A stream is sent piece by piece and closed at its end."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_" for letter in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response: HttpResponseBase
    if isinstance(content, bytes):
        response = HttpResponse(content, content_type=content_type)
    else:
        response = FileResponse(content, content_type=content_type)
    response["Content-Disposition"] = disposition
    response["X-Content-Type-Options"] = "nosniff"
    return response


def answer_csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> HttpResponseBase:
    """Answer with a table, row by row. Cells that a spreadsheet would take for a formula are made harmless."""
    response = StreamingHttpResponse(_write_csv(columns, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _write_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    line = io.StringIO()
    writer = csv.writer(line)
    for cells in chain([columns], rows):
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA_MARKS and cell else cell for cell in cells])
        yield line.getvalue().encode("utf-8", "replace")
        line.seek(0)
        line.truncate()


def answer_text(text: str, content_type: str = "text/plain; charset=utf-8") -> HttpResponse:
    """Answer with plain text."""
    return HttpResponse(text.encode("utf-8", "replace"), content_type=content_type)
