"""A stage for one process: tables and a storage of its own, with a copy of what flows may read, and no trace afterwards."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery, current_app
from django.db import ProgrammingError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import errors, sql

from flows.conf import changed_settings
from flows.engine.catalog import forget_flows
from flows.models import Dashboard, Flow, FlowRevision, KeyValue, Namespace, NamespaceFile, Secret, Template, TemplateRevision
from flows.primitives.errors import ForbiddenError
from flows.storage import overlay_url

SCHEMA_PREFIX = "celestra_rehearsal_"
# What a flow may look at. History, triggers and counters begin empty, so that nothing else is started or counted.
_COPIED = (Flow, FlowRevision, Namespace, KeyValue, Secret, NamespaceFile, Template, TemplateRevision, Dashboard)


@contextmanager
def set_stage() -> Iterator[Celery]:
    """
    Make every database connection that this process opens from now on work on a copy, and every write to the storage stay apart.

    The tables live in a schema of their own in the same database, so that all threads see what is committed. Messages go to a
    broker inside this process. Yields the Celery app of that broker; every thread that works on the stage makes it its current
    one. What tasks do outside Celestra (HTTP calls, other databases) is real.

    Raises:
        ForbiddenError: the database user may not create schemas.
    """
    before = current_app._get_current_object()
    backstage = connections.create_connection("default")
    options = connections.settings["default"]["OPTIONS"]
    settings_before = options.get("options", "")
    name = f"{SCHEMA_PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    try:
        _build(backstage, name)
        options["options"] = f"{settings_before} -c search_path={name},public".strip()
        connection.close()
        forget_flows()
        with tempfile.TemporaryDirectory(prefix="celestra-rehearsal-") as folder:
            app = Celery("rehearsal", broker="memory://localhost", backend="cache+memory://", set_as_current=False)
            app.set_current()
            with changed_settings(storage_url=overlay_url(Path(folder)), redis_url=None):
                yield app
    finally:
        before.set_current()
        options["options"] = settings_before
        connection.close()
        forget_flows()
        _drop(backstage, name)
        backstage.close()


def drop_left_stages(backstage: BaseDatabaseWrapper) -> list[str]:
    """Drop the schemas of processes that ended without doing it themselves, and return their names."""
    left = []
    with backstage.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", [SCHEMA_PREFIX])
        for (name,) in cursor.fetchall():
            cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name])
            if cursor.fetchone()[0]:
                left.append(name)
    for name in left:
        _drop(backstage, name)
    return left


def _build(backstage: BaseDatabaseWrapper, name: str) -> None:
    drop_left_stages(backstage)
    schema = sql.Identifier(name)
    with backstage.cursor() as cursor:
        # The lock tells other processes that somebody works here; it goes with our connection, however we end.
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        try:
            _execute(cursor, sql.SQL("CREATE SCHEMA {}").format(schema))
        except ProgrammingError as error:
            if not isinstance(error.__cause__, errors.InsufficientPrivilege):
                raise
            raise ForbiddenError(
                "A rehearsal works in a schema of its own, and the database user may not make one. Allow it with: "
                "GRANT CREATE ON DATABASE <name> TO <user>.",
                code="schema-not-allowed",
            ) from error
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND starts_with(tablename, 'flows_')")
        for (table,) in cursor.fetchall():
            names = {"new": sql.Identifier(name, table), "old": sql.Identifier("public", table)}
            _execute(cursor, sql.SQL("CREATE TABLE {new} (LIKE {old} INCLUDING ALL)").format(**names))
        for model in _COPIED:
            _copy(cursor, name, model._meta.db_table)


def _copy(cursor: Any, schema: str, table: str) -> None:
    names = {"new": sql.Identifier(schema, table), "old": sql.Identifier("public", table)}
    _execute(cursor, sql.SQL("INSERT INTO {new} OVERRIDING SYSTEM VALUE SELECT * FROM {old}").format(**names))
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND attidentity <> ''",
        [schema, table],
    )
    for (column,) in cursor.fetchall():
        cursor.execute("SELECT pg_get_serial_sequence(format('%%I.%%I', %s::text, %s::text), %s)", [schema, table, column])
        query = sql.SQL("SELECT setval(%s, (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)")
        sequence = cursor.fetchone()[0]
        _execute(cursor, query.format(column=sql.Identifier(column), table=names["new"]), [sequence])


def _drop(backstage: BaseDatabaseWrapper, name: str) -> None:
    with backstage.cursor() as cursor:
        _execute(cursor, sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
        cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])


def _execute(cursor: Any, query: sql.Composed, parameters: list[Any] | None = None) -> None:
    cursor.execute(query, parameters)
