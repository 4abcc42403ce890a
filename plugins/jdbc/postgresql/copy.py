"""COPY in both directions: a stored file streams into a table, a table or query streams into a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import RecordedMetric, RunnableTask, TaskFailure
from plugins.jdbc.engine import Session, SqlWork
from plugins.jdbc.postgresql.properties import (
    CopyFormat,
    CopyInOutput,
    CopyInProperties,
    CopyOutOutput,
    CopyOutProperties,
    CopyProperties,
)
from plugins.jdbc.postgresql.session import PostgresSession, name_of, names_of, open_postgres
from plugins.jdbc.scanner import split_statements

_CHUNK_BYTES = 256 * 1024
_SUFFIX = {CopyFormat.CSV: ".csv", CopyFormat.TEXT: ".txt", CopyFormat.BINARY: ".bin"}


class CopyIn(SqlWork, RunnableTask):
    """Loads a stored file into a table with COPY, the fastest way into PostgreSQL. All rows are loaded or none."""

    type = "io.kestra.plugin.jdbc.postgresql.CopyIn"
    title = "Load a file into a PostgreSQL table"
    metrics = (RecordedMetric("rows", "counter", "How many rows were loaded.", "rows"),)
    Props = CopyInProperties
    Output = CopyInOutput
    examples = (
        """
        id: copy_in
        namespace: company.team
        tasks:
          - id: download
            type: io.kestra.plugin.core.http.Download
            uri: https://example.com/orders.csv
          - id: load
            type: io.kestra.plugin.jdbc.postgresql.CopyIn
            url: jdbc:postgresql://localhost:5432/shop
            username: loader
            password: "{{ secret('POSTGRES_PASSWORD') }}"
            from: "{{ outputs.download.uri }}"
            table: orders
            format: CSV
            header: true
        """,
    )

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect to PostgreSQL."""
        return open_postgres(context, props)

    def run(self, context: RunContext, props: CopyInProperties) -> CopyInOutput:
        """Load the file and return how many rows it gave."""
        if not props.table:
            raise TaskFailure('Property "table" is required: the table to load into.', permanent=True)
        columns = SQL(" ({})").format(names_of(props.columns)) if props.columns else SQL("")
        query = SQL("COPY {}{} FROM STDIN").format(name_of(props.table), columns) + _options(props, is_input=True)
        with (
            self.session(context, props) as session,
            context.storage.open(props.from_) as source,
            _explained(session),
        ):
            cursor = session.connection.cursor()
            with cursor.copy(query) as copy:
                while piece := source.read(_CHUNK_BYTES):
                    self._check_not_stopped(context)
                    copy.write(piece)
            count = max(0, cursor.rowcount)
        context.metrics.counter("rows", count)
        return CopyInOutput(row_count=count)


class CopyOut(SqlWork, RunnableTask):
    """Writes a table, or the rows of a query, to a stored file with COPY."""

    type = "io.kestra.plugin.jdbc.postgresql.CopyOut"
    title = "Write a PostgreSQL table or query to a file"
    metrics = (RecordedMetric("rows", "counter", "How many rows were written.", "rows"),)
    Props = CopyOutProperties
    Output = CopyOutOutput
    examples = (
        """
        id: copy_out
        namespace: company.team
        tasks:
          - id: export
            type: io.kestra.plugin.jdbc.postgresql.CopyOut
            url: jdbc:postgresql://localhost:5432/shop
            username: reader
            password: "{{ secret('POSTGRES_PASSWORD') }}"
            sql: select id, total from orders where total > 100
            format: CSV
            header: true
        """,
    )

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect to PostgreSQL."""
        return open_postgres(context, props)

    def run(self, context: RunContext, props: CopyOutProperties) -> CopyOutOutput:
        """Write the rows and return where they are and how many."""
        query = SQL("COPY {} TO STDOUT").format(_source(props)) + _options(props, is_input=False)
        path = context.workdir / f"copy-{context.taskrun.get('id', 'out')}{_SUFFIX[props.format]}"
        try:
            with self.session(context, props) as session, path.open("wb") as target, _explained(session):
                cursor = session.connection.cursor()
                with cursor.copy(query) as copy:
                    for piece in copy:
                        target.write(piece)
                count = max(0, cursor.rowcount)
            uri = context.storage.put(path, f"copy{_SUFFIX[props.format]}")
        finally:
            path.unlink(missing_ok=True)
        context.metrics.counter("rows", count)
        return CopyOutOutput(uri=uri, row_count=count)


@contextmanager
def _explained(session: PostgresSession) -> Iterator[None]:
    """Turn an error of the driver inside the block into a TaskFailure with the server's words and the line of the data."""
    try:
        yield
    except psycopg.Error as error:
        message = session.explain(error, sql="", statement=None, number=1, count=1)
        where = error.diag.context
        raise TaskFailure(f"{message}\n{where}" if where else str(message)) from error


def _source(props: CopyOutProperties) -> Composable:
    if props.sql and props.table:
        raise TaskFailure('Properties "sql" and "table" are both given; CopyOut takes one of them.', permanent=True)
    if props.sql:
        statements = split_statements(props.sql)
        if len(statements) != 1:
            raise TaskFailure(f'Property "sql" must hold exactly one query; it holds {len(statements)}.', permanent=True)
        return SQL("({})").format(_RawQuery(statements[0].text))
    if not props.table:
        raise TaskFailure('CopyOut needs "table" or "sql", and neither is given.', permanent=True)
    columns = SQL(" ({})").format(names_of(props.columns)) if props.columns else SQL("")
    return name_of(props.table) + columns


class _RawQuery(Composable):
    """Query text that the flow's author wrote, as it is: COPY takes no parameters."""

    def as_bytes(self, context: Any = None) -> bytes:
        return str(self._obj).encode()

    def as_string(self, context: Any = None) -> str:
        return str(self._obj)


def _options(props: CopyProperties, *, is_input: bool) -> Composed:
    parts: list[Composable] = [SQL("FORMAT {}").format(SQL(props.format.value))]
    if is_input and props.freeze is not None:
        parts.append(SQL("FREEZE {}").format(Literal(props.freeze)))
    if props.header is not None:
        parts.append(SQL("HEADER {}").format(Literal(props.header)))
    texts = {
        "DELIMITER": props.delimiter,
        "NULL": props.null_string,
        "QUOTE": props.quote,
        "ESCAPE": props.escape,
        "ENCODING": props.encoding,
    }
    parts += [SQL("{} {}").format(SQL(word), Literal(text)) for word, text in texts.items() if text is not None]
    lists = (
        {"FORCE_NOT_NULL": props.force_not_null, "FORCE_NULL": props.force_null}
        if is_input
        else {"FORCE_QUOTE": props.force_quote}
    )
    for word, names in lists.items():
        if names:
            listed = SQL("*") if names == ["*"] else SQL("({})").format(names_of(names))
            parts.append(SQL("{} {}").format(SQL(word), listed))
    return SQL(" WITH (") + SQL(", ").join(parts) + SQL(")")
