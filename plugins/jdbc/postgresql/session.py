"""A connection to PostgreSQL as the SQL engine sees it. The driver is psycopg."""

from __future__ import annotations

import contextlib
import itertools
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.json import JsonbDumper
from psycopg.types.string import TextLoader

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.jdbc.engine import Result, Session
from plugins.jdbc.postgresql.address import build_options
from plugins.jdbc.scanner import Statement, bind_parameters

CONNECT_SECONDS = 30
CANCEL_SECONDS = 4.0
_LONGEST_QUOTE = 200
_READERS = frozenset({"select", "values", "table", "show", "explain", "fetch"})
_WRITERS = frozenset({"insert", "update", "delete", "merge"})
_AS_TEXT = ("numeric", "interval", "inet", "cidr", "uuid", "time", "timetz")


class _Lenient:
    """Gives what Python's dates cannot hold (infinity, years over 9999, before Christ) as the server's text."""

    def load(self, data: Any) -> Any:
        try:
            return super().load(data)  # type: ignore[misc]  # stands before a loader
        except psycopg.DataError:
            return bytes(data).decode()


class _LenientDate(_Lenient, DateLoader):
    pass


class _LenientTimestamp(_Lenient, TimestampLoader):
    pass


class _LenientTimestamptz(_Lenient, TimestamptzLoader):
    pass


def open_postgres(context: RunContext, props: Any) -> PostgresSession:
    """
    Connect as the properties say.

    Raises:
        TaskFailure: the address is wrong or the server does not let us in; the password is in no message.
    """
    # libpq reads certificates from files, and only while it connects.
    with tempfile.TemporaryDirectory(prefix="celestra-pg-") as folder:
        options = build_options(context, props, Path(folder))
        wait_seconds = int(options.pop("connect_timeout", CONNECT_SECONDS))
        if context.deadline is not None:
            wait_seconds = min(wait_seconds or CONNECT_SECONDS, max(2, int(context.deadline - time.monotonic())))
        try:
            connection = psycopg.connect(
                **{
                    **options,
                    "application_name": f"Celestra {context.execution.get('id', '')}"[:63],
                    "client_encoding": "utf8",
                    "connect_timeout": wait_seconds,
                },
                autocommit=True,
            )
        except (psycopg.Error, UnicodeError) as error:
            raise TaskFailure(f"No connection to the database: {str(error).strip()} Check url, username and password.") from error
    return PostgresSession(connection, context, zone=props.time_zone_id or "UTC")


class PostgresSession(Session):
    """One psycopg connection, in autocommit mode outside `transaction`."""

    def __init__(self, connection: psycopg.Connection[Any], context: RunContext, *, zone: str) -> None:
        self.connection = connection
        adapters = connection.adapters
        for name in _AS_TEXT:
            adapters.register_loader(name, TextLoader)
        adapters.register_loader("date", _LenientDate)
        adapters.register_loader("timestamp", _LenientTimestamp)
        adapters.register_loader("timestamptz", _LenientTimestamptz)
        adapters.register_dumper(dict, JsonbDumper)
        connection.add_notice_handler(lambda notice: _log_notice(context, notice))
        connection.execute("select set_config('TimeZone', %s, false)", [zone])

    def execute(self, statement: Statement, parameters: Mapping[str, Any], *, fetch_size: int) -> Result:
        """Run one statement; rows of queries stream in chunks of `fetch_size`, rows that a change returns come at once."""
        text, values = bind_parameters(statement.text, parameters)
        cursor = self.connection.cursor()
        if _is_query(statement):
            rows = cursor.stream(text.encode(), values, size=max(2, fetch_size))
            try:
                first = next(rows, None)
            except psycopg.ProgrammingError as error:
                if error.sqlstate is None:
                    # The statement ran and gave no result set after all, as SELECT ... INTO does.
                    return Result(None, iter(()))
                raise
            names = tuple(column.name for column in cursor.description or ()) if first is not None else ()
            return Result(names, itertools.chain([first], rows) if first is not None else iter(()))
        cursor.execute(text.encode(), values)
        changed = cursor.rowcount if statement.verb in _WRITERS or _WRITERS & set(statement.words) else 0
        if cursor.description is None:
            return Result(None, iter(()), max(0, changed))
        return Result(tuple(column.name for column in cursor.description), iter(cursor), max(0, changed))

    def transaction(self) -> AbstractContextManager[Any]:
        """Return psycopg's own transaction block."""
        return self.connection.transaction()

    def explain(self, error: Exception, *, sql: str, statement: Statement | None, number: int, count: int) -> str | None:
        """Say which statement failed, where, and what the server said."""
        if not isinstance(error, psycopg.Error | UnicodeError):
            return None
        which = f"Statement {number} of {count} failed" if count > 1 else "The SQL failed"
        diagnosis = getattr(error, "diag", None)
        place = _find_place(sql, statement, diagnosis)
        where = f" at line {place[0]}, column {place[1]}" if place else ""
        lines = [f"{which}{where}: {_server_words(error, diagnosis)}"]
        if shown := _quote_statement(sql, statement, place):
            lines.append(shown)
        if diagnosis is not None:
            lines += [
                f"{word}: {text}"
                for word, text in (("Detail", diagnosis.message_detail), ("Hint", diagnosis.message_hint))
                if text
            ]
        return "\n".join(lines)

    def cancel(self) -> None:
        """Cancel on the server through a second connection, as libpq does it."""
        with contextlib.suppress(psycopg.Error, OSError):
            self.connection.cancel_safe(timeout=CANCEL_SECONDS)

    def close(self) -> None:
        """Close the connection; what is not committed is rolled back."""
        with contextlib.suppress(psycopg.Error, OSError):
            self.connection.close()


def _is_query(statement: Statement) -> bool:
    """Tell whether a statement reads only, so that its rows may be too many to hold together."""
    if statement.verb == "with":
        return not _WRITERS & set(statement.words)
    return statement.verb in _READERS or statement.text.startswith("(")


def _log_notice(context: RunContext, notice: Any) -> None:
    level = "WARN" if notice.severity_nonlocalized == "WARNING" else "INFO"
    context.log.log(level, str(notice.message_primary or ""))


def _server_words(error: Exception, diagnosis: Any) -> str:
    words = (diagnosis.message_primary if diagnosis is not None else None) or str(error).strip()
    state = getattr(error, "sqlstate", None)
    return f"{words} (SQLSTATE {state})" if state else str(words)


def _quote_statement(sql: str, statement: Statement | None, place: tuple[int, int] | None) -> str:
    """Return the line that failed, or the beginning of the statement where the server named no place."""
    if place is not None:
        text = sql.split("\n")[place[0] - 1].strip()
        return f"Line {place[0]}: {_shorten(text)}"
    return f"Statement: {_shorten(' '.join(statement.text.split()))}" if statement is not None else ""


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 3]}..."


def _find_place(sql: str, statement: Statement | None, diagnosis: Any) -> tuple[int, int] | None:
    """Return line and column in the text of the property; None when the server gave none or placeholders moved it."""
    position = getattr(diagnosis, "statement_position", None)
    if not position or statement is None:
        return None
    at = int(position) - 1
    if sql[statement.start : statement.start + len(statement.text)] != statement.text or re.search(
        r"(?<![:\w]):[A-Za-z_]", statement.text
    ):
        return None
    before = sql[: statement.start + at]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def name_of(text: str) -> Identifier:
    """
    Return a table or column name as the server would read it unquoted: dots separate, plain words fold to lower case.

    Parts in double quotes, and parts that are no plain word, keep their spelling.
    """
    parts = re.findall(r'"(?:[^"]|"")*"|[^.]+', text.strip())
    return Identifier(*(_fold(part) for part in parts or [text]))


def _fold(part: str) -> str:
    if len(part) > 1 and part.startswith('"') and part.endswith('"'):
        return part[1:-1].replace('""', '"')
    return part.lower() if re.fullmatch(r"[A-Za-z_]\w*", part.strip()) else part


def names_of(texts: Sequence[str]) -> Composed:
    """Return a comma-separated list of names."""
    return SQL(", ").join(Identifier(_fold(text.strip())) for text in texts)


def iterate_chunks(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of up to `size` rows."""
    while chunk := list(itertools.islice(rows, size)):
        yield chunk
