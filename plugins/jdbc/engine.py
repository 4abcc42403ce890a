"""The SQL family engine: what Query, Queries, Batch and Trigger do with a session of any database."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import RecordedMetric, RunnableTask, TaskFailure
from flows.plugin_api.triggers import PollingTrigger, PollResult
from plugins.jdbc.properties import (
    ConnectionProperties,
    FetchOutput,
    FetchType,
    QueriesOutput,
    QueriesProperties,
    QueryProperties,
)
from plugins.jdbc.scanner import Statement, split_statements
from plugins.jdbc.values import make_output_conversion, make_row_conversion

FETCH_LIMIT = 10_000
RESULT_METRICS = (
    RecordedMetric("updated", "counter", "How many rows a statement changed.", "rows"),
    RecordedMetric("fetch.size", "counter", "How many rows a result gave.", "rows"),
    RecordedMetric("rows", "counter", "The same number, under the name that other tasks use.", "rows"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """
    What one statement gave.

    `columns` is None when there is no result set. `rows` streams and must be read to its end, or closed, before the next
    statement. `updated_count` is the number of rows that the statement changed, 0 when it changes none.
    """

    columns: tuple[str, ...] | None
    rows: Iterator[Sequence[Any]]
    updated_count: int = 0


class Session(ABC):
    """One connection to one database: the only place where a driver is known."""

    @abstractmethod
    def execute(self, statement: Statement, parameters: Mapping[str, Any], *, fetch_size: int) -> Result:
        """Run one statement. Raises what `explain` explains."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """Commit at the end of the block, roll back when it raises. Outside such a block every statement commits by itself."""

    @abstractmethod
    def explain(self, error: Exception, *, sql: str, statement: Statement | None, number: int, count: int) -> str | None:
        """Return a message for an error of the driver: statement, place, server's words; None for any other error."""

    @abstractmethod
    def cancel(self) -> None:
        """Stop on the server what the session runs now; from any thread, within five seconds, without raising."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection, from the thread that uses it."""


class SqlWork:
    """
    One session at a time on behalf of a task or trigger, which `kill` may stop from another thread before, during or after.

    A subclass says how to open a session and which URL prefixes its database has.
    """

    subprotocols: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._session: Session | None = None

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect. Raises TaskFailure with the reason when that fails."""
        raise NotImplementedError

    @contextmanager
    def session(self, context: RunContext, props: ConnectionProperties) -> Iterator[Any]:
        """Yield an open session and close it afterwards. Raises TaskFailure when the work was killed meanwhile."""
        self._check_not_stopped(context)
        opened = self.open_session(context, props)
        self._session = opened
        try:
            self._check_not_stopped(context)
            yield opened
        finally:
            self._session = None
            opened.close()

    def kill(self) -> None:
        """Cancel on the server what runs now, and start nothing more."""
        self._stop.set()
        session = self._session
        if session is not None:
            session.cancel()

    def _check_not_stopped(self, context: RunContext) -> None:
        if self._stop.is_set() or context.cancelled.is_set():
            raise TaskFailure("The run was stopped before its SQL was finished.")

    def run_statements(
        self,
        context: RunContext,
        session: Session,
        props: QueryProperties,
        sql: str,
        statements: Sequence[Statement],
        *,
        must_fetch: bool = True,
    ) -> list[FetchOutput | None]:
        """
        Run statements in order and return, for each, its rows as `fetchType` asks, or None when it gave no result set.

        Raises:
            TaskFailure: a statement failed; the message has its number, the server's words and the place.
        """
        fetch_type = props.chosen_fetch_type if must_fetch else FetchType.NONE
        zone = ZoneInfo(props.time_zone_id) if props.time_zone_id else None
        found = []
        for number, statement in enumerate(statements, start=1):
            self._check_not_stopped(context)
            try:
                result = session.execute(statement, props.parameters or {}, fetch_size=props.fetch_size)
                found.append(_Fetch(context, fetch_type, zone, number).take(result))
            except Exception as error:
                message = session.explain(error, sql=sql, statement=statement, number=number, count=len(statements))
                if message is None:
                    raise
                self._check_not_stopped(context)
                raise TaskFailure(message) from error
        return found

    def run_after(self, context: RunContext, session: Session, props: QueryProperties) -> None:
        """Run `afterSQL`, whose rows nobody wants."""
        if props.after_sql:
            self.run_statements(context, session, props, props.after_sql, split_statements(props.after_sql), must_fetch=False)

    def run_query(self, context: RunContext, props: QueryProperties) -> FetchOutput:
        """Run the one statement of a query, and `afterSQL` in the same transaction. Raises TaskFailure."""
        statements = split_statements(props.sql)
        if len(statements) != 1:
            raise TaskFailure(
                f'Property "sql" must hold one statement; it holds {len(statements)}. Use the type "Queries" for several.',
                permanent=True,
            )
        check_zone(props.time_zone_id)
        with self.session(context, props) as session:
            if not props.after_sql:
                return self.run_statements(context, session, props, props.sql, statements)[0] or FetchOutput()
            with self.reported(session), session.transaction():
                output = self.run_statements(context, session, props, props.sql, statements)[0]
                self.run_after(context, session, props)
            return output or FetchOutput()

    @contextmanager
    def reported(self, session: Session) -> Iterator[None]:
        """Turn an error of the driver outside a statement, such as one at commit, into a TaskFailure."""
        try:
            yield
        except TaskFailure:
            raise
        except Exception as error:
            message = session.explain(error, sql="", statement=None, number=0, count=0)
            if message is None:
                raise
            raise TaskFailure(message) from error


class QueryTask(SqlWork, RunnableTask):
    """Runs one statement."""

    metrics = RESULT_METRICS
    Output = FetchOutput

    def run(self, context: RunContext, props: QueryProperties) -> FetchOutput:
        """Run the statement and return its rows as `fetchType` asks."""
        return self.run_query(context, props)


class QueriesTask(SqlWork, RunnableTask):
    """Runs several statements, all in one transaction unless told otherwise."""

    metrics = RESULT_METRICS
    Output = QueriesOutput

    def run(self, context: RunContext, props: QueriesProperties) -> QueriesOutput:
        """Run the statements in order and return the rows of those that gave a result set."""
        statements = split_statements(props.sql)
        if not statements:
            raise TaskFailure('Property "sql" holds no statement.', permanent=True)
        check_zone(props.time_zone_id)
        with self.session(context, props) as session:
            if props.transaction:
                with self.reported(session), session.transaction():
                    found = self.run_statements(context, session, props, props.sql, statements)
                    self.run_after(context, session, props)
            else:
                found = self.run_statements(context, session, props, props.sql, statements)
                self.run_after(context, session, props)
        fetched = [] if props.chosen_fetch_type is FetchType.NONE else [output for output in found if output is not None]
        return QueriesOutput(outputs=fetched)


class QueryTrigger(SqlWork, PollingTrigger):
    """Starts an execution when a query gives rows."""

    Output = FetchOutput

    def poll(self, context: RunContext, props: QueryProperties, state: Mapping[str, Any]) -> PollResult:
        """Ask once; rows become `trigger.rows`, `row` or `uri`, with `size`. No rows, no execution."""
        output = self.run_query(context, props)
        return PollResult(variables=output.dump() if output.size else None)


class _Fetch:
    """Takes the rows of one result as the fetch type says."""

    def __init__(self, context: RunContext, fetch_type: FetchType, zone: ZoneInfo | None, number: int) -> None:
        self._context = context
        self._type = fetch_type
        self._zone = zone
        self._number = number

    def take(self, result: Result) -> FetchOutput | None:
        """Read the result to its end and count it in the metrics."""
        if result.updated_count:
            self._context.metrics.counter("updated", result.updated_count)
        if result.columns is None:
            return None
        self._warn_of_doubles(result.columns)
        output = self._read(result)
        if output.size is not None:
            self._context.metrics.counter("fetch.size", output.size)
            self._context.metrics.counter("rows", output.size)
        return output

    def _read(self, result: Result) -> FetchOutput:
        if self._type is FetchType.STORE:
            rows = self._list_rows(result, make_row_conversion(self._zone))
            uri, count = self._context.storage.write_rows(rows, f"rows-{self._number}.ion")
            return FetchOutput(uri=uri, size=count)
        rows = self._list_rows(result, make_output_conversion(self._zone))
        if self._type is FetchType.FETCH:
            fetched = self._fetch_all(rows)
            return FetchOutput(rows=fetched, size=len(fetched))
        first = next(rows, None) if self._type is FetchType.FETCH_ONE else None
        # The rest is read and dropped: to break off would cancel the statement, and with it a transaction around it.
        for _ in result.rows:
            pass
        return FetchOutput() if self._type is FetchType.NONE else FetchOutput(row=first, size=0 if first is None else 1)

    def _fetch_all(self, rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
        limit = int(self._context.config("jdbc.fetch-limit", FETCH_LIMIT))
        fetched: list[dict[str, Any]] = []
        for row in rows:
            if len(fetched) == limit:
                raise TaskFailure(
                    f"The query gives more than {limit} rows, the most that fetchType FETCH takes. "
                    "Use fetchType: STORE, which writes them to a file, or let the query give fewer.",
                    permanent=True,
                )
            fetched.append(row)
        return fetched

    def _list_rows(self, result: Result, convert: Any) -> Iterator[dict[str, Any]]:
        columns = result.columns or ()
        for row in result.rows:
            yield {name: convert(value) for name, value in zip(columns, row, strict=True)}

    def _warn_of_doubles(self, columns: Sequence[str]) -> None:
        doubles = sorted({name for name in columns if columns.count(name) > 1})
        if doubles:
            self._context.log.warning(
                f"The query gives several columns with the name {', '.join(doubles)}; the last of each is kept. Rename with AS."
            )


def check_zone(name: str | None) -> None:
    """Raise TaskFailure when `name` is no time zone."""
    try:
        if name:
            ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise TaskFailure(
            f'Property "timeZoneId" has the value "{name}", which is no time zone. Use a name such as Europe/Paris.',
            permanent=True,
        ) from error
