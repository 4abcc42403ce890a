"""Properties and outputs that all SQL tasks share. Source: plugins, 2.1 and 3.1."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from flows.plugin_api.fields import Mark, Output, Prop, Properties, Secret, Static
from flows.plugin_api.value_types import Duration, StorageUri, Text


class FetchType(StrEnum):
    """What becomes of the rows of a query."""

    NONE = "NONE"
    FETCH = "FETCH"
    FETCH_ONE = "FETCH_ONE"
    STORE = "STORE"


class ConnectionProperties(Properties):
    """Where the database is and who connects."""

    url: Annotated[Prop[str], Mark(group="connection")] = Field(
        description="JDBC address, such as jdbc:postgresql://host:5432/database; the same without jdbc: works too."
    )
    username: Annotated[Prop[str] | None, Mark(group="connection")] = Field(default=None, description="User of the database.")
    password: Annotated[Secret[str] | None, Mark(group="connection")] = Field(default=None, description="Password of the user.")
    time_zone_id: Annotated[Prop[str] | None, Mark(group="advanced")] = Field(
        default=None, description="Time zone, such as Europe/Paris, of timestamps that the database keeps without one."
    )
    connection_pooling: Annotated[Prop[bool], Mark(group="advanced")] = Field(
        default=True, description="Accepted for compatibility: each run has one connection of its own."
    )
    connection_pool_size: Annotated[Prop[int], Mark(group="advanced")] = Field(
        default=10, description="Accepted for compatibility: each run has one connection of its own."
    )


class QueryProperties(ConnectionProperties):
    """What a query is and what becomes of its rows."""

    sql: Annotated[Prop[str], Mark(language="sql")] = Field(description="The SQL to run.")
    after_sql: Annotated[Prop[str] | None, Mark(language="sql")] = Field(
        default=None, alias="afterSQL", description="SQL that runs afterwards in the same transaction, for example to mark rows."
    )
    parameters: Prop[dict[str, Any]] | None = Field(
        default=None, description="Values bound to :name in the SQL; never put into its text. A list serves IN (:name)."
    )
    fetch_type: Prop[FetchType] = Field(
        default=FetchType.NONE, description="NONE, FETCH (all rows), FETCH_ONE (first row) or STORE (rows to a file)."
    )
    fetch_size: Annotated[Prop[int], Mark(group="advanced")] = Field(
        default=10_000, ge=1, le=1_000_000, description="Rows that one round trip brings when rows are stored or fetched."
    )
    store: Annotated[Prop[bool], Mark(deprecated="Use fetchType: STORE.", group="deprecated")] = Field(
        default=False, description="Old form of fetchType: STORE."
    )
    fetch_one: Annotated[Prop[bool], Mark(deprecated="Use fetchType: FETCH_ONE.", group="deprecated")] = Field(
        default=False, description="Old form of fetchType: FETCH_ONE."
    )
    fetch: Annotated[Prop[bool], Mark(deprecated="Use fetchType: FETCH.", group="deprecated")] = Field(
        default=False, description="Old form of fetchType: FETCH."
    )
    output_files: Annotated[Static[list[Text]] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility: only databases that write files use it."
    )

    @property
    def chosen_fetch_type(self) -> FetchType:
        """The fetch type; an old boolean that is true goes before it."""
        if self.store:
            return FetchType.STORE
        if self.fetch_one:
            return FetchType.FETCH_ONE
        return FetchType.FETCH if self.fetch else self.fetch_type


class QueriesProperties(QueryProperties):
    """Several statements."""

    transaction: Prop[bool] = Field(default=True, description="Run all statements in one transaction; false commits after each.")


class TriggerProperties(QueryProperties):
    """A query that is asked again and again."""

    interval: Static[Duration] = Field(default=timedelta(seconds=60), description="Time between two polls.")
    fetch_type: Prop[FetchType] = Field(
        default=FetchType.FETCH, description="FETCH (all rows), FETCH_ONE (first row) or STORE (rows to a file)."
    )


class BatchProperties(ConnectionProperties):
    """Rows of a file written with one statement."""

    from_: Prop[StorageUri] = Field(description="Address of the row file.")
    sql: Annotated[Prop[str] | None, Mark(language="sql")] = Field(
        default=None, description="Statement with one ? per value; built from table and columns when absent."
    )
    table: Prop[str] | None = Field(default=None, description="Table to insert into when there is no sql.")
    columns: Prop[list[Text]] | None = Field(
        default=None, description="Keys of each row to take, in order; the columns of the table when there is no sql."
    )
    chunk: Prop[int] = Field(default=1000, ge=1, le=1_000_000, description="Rows per round trip and transaction.")
    max_retries: Annotated[Prop[int], Mark(group="reliability")] = Field(
        default=3, ge=0, le=100, description="How often a chunk is tried again whose transaction was rolled back by a conflict."
    )
    retry_backoff: Annotated[Prop[Duration], Mark(group="reliability")] = Field(
        default=timedelta(seconds=1), description="Wait before a chunk is tried again; doubled each time."
    )
    input_handling: Annotated[Prop[str] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility: the file is always streamed."
    )
    local_buffer_max_bytes: Annotated[Prop[int] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility: nothing is buffered."
    )
    resume_on_retry: Annotated[Prop[bool], Mark(group="advanced")] = Field(
        default=True, description="Accepted for compatibility: a chunk that was committed is never sent again within a run."
    )
    retry_scope: Annotated[Prop[str] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility: chunks are tried again, never the whole file."
    )


class FetchOutput(Output):
    """Rows of one query, in the form that fetchType asked for. Without a result set all are absent."""

    row: dict[str, Any] | None = Field(default=None, description="First row (FETCH_ONE).")
    rows: list[dict[str, Any]] | None = Field(default=None, description="All rows (FETCH).")
    uri: str | None = Field(default=None, description="Address of the row file (STORE).")
    size: int | None = Field(default=None, description="Number of rows fetched or stored.")


class QueriesOutput(Output):
    """One entry for each statement that gave rows."""

    outputs: list[FetchOutput] = Field(default=[], description="Rows of each statement, in order.")

    def dump(self) -> dict[str, Any]:
        """Return the outputs as data; each looks as it would alone, without what has no value."""
        return {"outputs": [output.dump() for output in self.outputs]}


class BatchOutput(Output):
    """What was written."""

    row_count: int = Field(description="Rows read from the file.")
    updated_count: int = Field(description="Rows that the database says were changed.")
