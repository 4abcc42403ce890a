"""Query, Queries and Trigger for PostgreSQL."""

from __future__ import annotations

from typing import Any

from flows.plugin_api.context import RunContext
from plugins.jdbc.engine import QueriesTask, QueryTask, QueryTrigger, Session
from plugins.jdbc.postgresql.properties import PostgresQueriesProperties, PostgresQueryProperties, PostgresTriggerProperties
from plugins.jdbc.postgresql.session import open_postgres


class Query(QueryTask):
    """Runs one SQL statement on PostgreSQL and hands its rows on."""

    type = "io.kestra.plugin.jdbc.postgresql.Query"
    title = "Run one SQL statement on PostgreSQL"
    Props = PostgresQueryProperties
    examples = (
        """
        id: query
        namespace: company.team
        tasks:
          - id: orders
            type: io.kestra.plugin.jdbc.postgresql.Query
            url: jdbc:postgresql://localhost:5432/shop
            username: reader
            password: "{{ secret('POSTGRES_PASSWORD') }}"
            sql: select id, total from orders where day = :day
            parameters:
              day: "2031-05-04"
            fetchType: STORE
        """,
    )

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect to PostgreSQL."""
        return open_postgres(context, props)


class Queries(QueriesTask):
    """Runs several SQL statements on PostgreSQL, all or none of them."""

    type = "io.kestra.plugin.jdbc.postgresql.Queries"
    title = "Run several SQL statements on PostgreSQL"
    Props = PostgresQueriesProperties
    examples = (
        """
        id: queries
        namespace: company.team
        tasks:
          - id: totals
            type: io.kestra.plugin.jdbc.postgresql.Queries
            url: jdbc:postgresql://localhost:5432/shop
            sql: |
              select count(*) as orders from orders;
              select count(*) as customers from customers;
            fetchType: FETCH
        """,
    )

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect to PostgreSQL."""
        return open_postgres(context, props)


class Trigger(QueryTrigger):
    """Starts an execution when a query on PostgreSQL gives rows."""

    type = "io.kestra.plugin.jdbc.postgresql.Trigger"
    title = "Start when a PostgreSQL query gives rows"
    Props = PostgresTriggerProperties
    examples = (
        """
        id: new_orders
        namespace: company.team
        tasks:
          - id: each
            type: io.kestra.plugin.core.log.Log
            message: "{{ trigger.size }} new orders"
        triggers:
          - id: watch
            type: io.kestra.plugin.jdbc.postgresql.Trigger
            url: jdbc:postgresql://localhost:5432/shop
            interval: PT30S
            sql: select * from orders where is_new
            afterSQL: update orders set is_new = false where is_new
            fetchType: FETCH
        """,
    )

    def open_session(self, context: RunContext, props: Any) -> Session:
        """Connect to PostgreSQL."""
        return open_postgres(context, props)
