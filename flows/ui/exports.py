"""Tables as files: CSV, or one JSON object per line, written while the rows are read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from django.http import StreamingHttpResponse

_FORMULA_MARKS = frozenset("=+-@\t\r")


def send_table(form: str, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> StreamingHttpResponse:
    """
    Return the answer that sends rows as a file.

    Args:
        form: `ndjson` for one JSON object per line; everything else is CSV.
        name: of the file, without its ending.
        columns: of the CSV file; every row has them.
    """
    if form == "ndjson":
        lines: Iterator[str] = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        ending, kind = "ndjson", "application/x-ndjson"
    else:
        lines = write_csv_lines(columns, ([_write_cell(row.get(column)) for column in columns] for row in rows))
        ending, kind = "csv", "text/csv; charset=utf-8"
    response = StreamingHttpResponse((line.encode("utf-8", "replace") for line in lines), content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return response


def write_csv_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a CSV file. Cells that a spreadsheet would take for a formula are made harmless."""
    line = io.StringIO()
    writer = csv.writer(line)
    for cells in chain([columns], rows):
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA_MARKS and cell else cell for cell in cells])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _write_cell(value: Any) -> str:
    return "" if value is None else str(value)
