"""Writing the rows of a file with one statement, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed, Placeholder

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import RecordedMetric, RunnableTask, TaskFailure
from plugins.jdbc.engine import Session, SqlWork
from plugins.jdbc.postgresql.properties import PostgresBatchProperties
from plugins.jdbc.postgresql.session import PostgresSession, iterate_chunks, name_of, names_of, open_postgres
from plugins.jdbc.properties import BatchOutput
from plugins.jdbc.scanner import bind_marks

_CONFLICTS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)


class Batch(SqlWork, RunnableTask):
    """
    Writes the rows of a row file with one statement.

    Each chunk is a transaction of its own: after a failure the earlier chunks stay, and the message says how many rows those are.
    """

    type = "io.kestra.plugin.jdbc.postgresql.Batch"
    title = "Write a row file to PostgreSQL"
    metrics = (
        RecordedMetric("records", "counter", "How many rows were read from the file.", "rows"),
        RecordedMetric("updated", "counter", "How many rows the server changed.", "rows"),
    )
    Props = PostgresBatchProperties
    Output = BatchOutput
    examples = (
        """
        id: batch
        namespace: company.team
        tasks:
          - id: read
            type: io.kestra.plugin.jdbc.postgresql.Query
            url: jdbc:postgresql://localhost:5432/source
            sql: select id, name from customers
            fetchType: STORE
          - id: write
            type: io.kestra.plugin.jdbc.postgresql.Batch
            url: jdbc:postgresql://localhost:5432/target
            from: "{{ outputs.read.uri }}"
            sql: insert into customers (id, name) values (?, ?) on conflict do nothing
        """,
    )

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect to PostgreSQL."""
        return open_postgres(context, props)

    def run(self, context: RunContext, props: PostgresBatchProperties) -> BatchOutput:
        """Write all rows and return how many were read and how many the server changed."""
        if not props.sql and not props.table:
            raise TaskFailure('Batch needs "sql", or "table" to build it from, and neither is given.', permanent=True)
        row_count = updated_count = 0
        with self.session(context, props) as session:
            writer: _Writer | None = None
            for chunk in iterate_chunks(context.storage.read_rows(props.from_), props.chunk):
                self._check_not_stopped(context)
                writer = writer or _Writer(props, chunk[0])
                values = [writer.values_of(row, row_count + n) for n, row in enumerate(chunk, start=1)]
                updated_count += self._write(context, session, writer, props, values, row_count)
                row_count += len(chunk)
        context.metrics.counter("records", row_count)
        context.metrics.counter("updated", updated_count)
        return BatchOutput(row_count=row_count, updated_count=updated_count)

    def _write(
        self,
        context: RunContext,
        session: PostgresSession,
        writer: _Writer,
        props: PostgresBatchProperties,
        values: list[Sequence[Any]],
        done: int,
    ) -> int:
        """Write one chunk; a chunk that lost against another transaction was rolled back as a whole and is tried again."""
        attempt = 0
        while True:
            try:
                with session.transaction():
                    cursor = session.connection.cursor()
                    cursor.executemany(writer.query, values)
                    return max(0, int(cursor.rowcount))
            except _CONFLICTS as error:
                attempt += 1
                if attempt > props.max_retries:
                    raise TaskFailure(_explain(session, error, done)) from error
                context.log.warning(
                    f"A chunk was rolled back by a conflict and is tried again ({attempt} of {props.max_retries})."
                )
                self._stop.wait(props.retry_backoff.total_seconds() * 2 ** (attempt - 1))
                self._check_not_stopped(context)
            except (psycopg.Error, UnicodeError) as error:
                self._check_not_stopped(context)
                raise TaskFailure(_explain(session, error, done)) from error


def _explain(session: PostgresSession, error: Exception, done: int) -> str:
    message = session.explain(error, sql="", statement=None, number=1, count=1)
    return f"{message}\nThe failing chunk begins after row {done}; the {done} rows before it were written and stay."


class _Writer:
    """The statement of a batch, and which values of a row it takes."""

    def __init__(self, props: PostgresBatchProperties, first: Any) -> None:
        self._keys: Sequence[str] | None = props.columns
        if props.sql:
            text, self._count = bind_marks(props.sql)
            self.query: bytes | Composed = text.encode()
            return
        if self._keys is None and isinstance(first, Mapping):
            self._keys = [str(key) for key in first]
        self._count = len(self._keys) if self._keys is not None else len(first) if isinstance(first, list) else 1
        columns = SQL(" ({})").format(names_of(self._keys)) if self._keys is not None else SQL("")
        marks = SQL(", ").join([Placeholder()] * self._count)
        self.query = SQL("INSERT INTO {}{} VALUES ({})").format(name_of(str(props.table)), columns, marks)

    def values_of(self, row: Any, number: int) -> Sequence[Any]:
        """Return the values of one row in the order of the placeholders. Raises TaskFailure when they do not fit."""
        if isinstance(row, Mapping):
            keys = self._keys if self._keys is not None else list(row)
            missing = [key for key in keys if key not in row]
            if missing:
                raise TaskFailure(
                    f'Row {number} of the file has no "{missing[0]}"; it has {", ".join(map(str, row)) or "nothing"}.'
                )
            values: Sequence[Any] = [row[key] for key in keys]
        else:
            values = row if isinstance(row, list) else [row]
        if len(values) != self._count:
            raise TaskFailure(f"Row {number} of the file has {len(values)} values, and the statement takes {self._count}.")
        return values
