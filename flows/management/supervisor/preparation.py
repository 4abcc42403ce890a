"""What has to be in the database before the first request: the tables, an administrator, the example flows."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from flows.conf import Settings
from flows.management.supervisor.faults import StartError
from flows.management.supervisor.postgres import EmbeddedPostgres
from flows.models import Flow
from flows.operations.account_acts import list_owners
from flows.operations.flows import save_flow
from flows.operations.set_up import is_set_up, make_setup_token
from flows.primitives.errors import FlowsError

_LOCK_NUMBER = 0x43454C45
"""Advisory lock under which two starts on one database take turns."""

EXAMPLES_DATABASE = "examples"
"""Database and role of the example flows: their role can neither connect to our own tables nor make databases."""

_EXAMPLES_VARIABLE = "SECRET_EXAMPLES_DATABASE_URL"


def prepare_database(
    given: Settings, postgres: EmbeddedPostgres | None, examples: Path | None, *, migrates: bool = True
) -> str | None:
    """
    Bring the database up to date, and return the administrator's password when one was generated. Idempotent.

    Args:
        given: our settings.
        postgres: the embedded server, or None when the database lies elsewhere.
        examples: folder of the flows that a new installation begins with, None for none.
        migrates: whether missing migrations are applied. Those of the embedded server always are.

    Raises:
        StartError: the examples cannot be loaded, or migrations are missing that are not to be applied.
    """
    if postgres is not None:
        postgres.ensure_database("celestra", "celestra")
        postgres.ensure_database(EXAMPLES_DATABASE, EXAMPLES_DATABASE)
    with connection.cursor() as cursor:
        # Migrations may take long on a big database.
        cursor.execute("set statement_timeout = 0")
        cursor.execute("set lock_timeout = 0")
        cursor.execute("select pg_advisory_lock(%s)", [_LOCK_NUMBER])
    try:
        return _prepare_under_lock(given, examples, migrates=migrates or postgres is not None)
    finally:
        # A connection of a pool is not ended by being closed, and would keep the lock.
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", [_LOCK_NUMBER])
        connection.close()


def _prepare_under_lock(given: Settings, examples: Path | None, *, migrates: bool) -> str | None:
    if migrates:
        migrate()
    else:
        refuse_missing_migrations()
    password = None
    if given.first_start == "setup" and not given.admin_password:
        show_setup_token(given.public_url)
    else:
        password = ensure_administrator(given.admin_user, given.admin_password)
    if examples is not None:
        load_examples(examples)
    return password


def offer_examples_database(postgres: EmbeddedPostgres) -> None:
    """Tell the processes that are started after this where the example flows work, unless the operator has said it."""
    url = postgres.get_url(EXAMPLES_DATABASE, EXAMPLES_DATABASE)
    os.environ.setdefault(_EXAMPLES_VARIABLE, base64.b64encode(url.encode()).decode())


def migrate() -> None:
    """Apply the migrations that are missing."""
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        print(f"Applying {len(plan)} migrations.", flush=True)
        call_command("migrate", interactive=False, verbosity=0)


def refuse_missing_migrations() -> None:
    """Raise StartError when migrations are missing."""
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise StartError(
            "migrations-missing",
            f"{len(plan)} migrations are missing in this database: start with --migrate, or run `manage.py migrate` first.",
        )


def ensure_administrator(email: str, password: str) -> str | None:
    """
    Make the administrator unless somebody owns the installation, and return a password that was generated for that.

    A password from outside is taken as it is; a weak one gives a warning only, because the operator chose it.
    """
    users = User.objects
    if users.filter(is_superuser=True).exists() or list_owners():
        return None
    generated = None if password else secrets.token_urlsafe(15)
    if password:
        try:
            validate_password(password)
        except ValidationError as error:
            print(f"CELESTRA_ADMIN_PASSWORD is weak: {' '.join(error.messages)}", flush=True)
    with transaction.atomic():
        users.create_superuser(username=email, email=email, password=password or generated)
    return generated


def show_setup_token(public_url: str) -> None:
    """Print the one-time set-up token while there is no account; nothing at all afterwards. Source: security, S-05."""
    if is_set_up():
        return
    token = make_setup_token()
    print(f"Nobody owns this installation yet. Its set-up token: {token}", flush=True)
    print(f"Make the first account at {public_url}/ui/setup?token={token}", flush=True)


def load_examples(folder: Path) -> None:
    """Save the example flows into an installation that has no flow yet."""
    if Flow.objects.exists():
        return
    sources = sorted(folder.glob("*.y*ml"))
    for source in sources:
        try:
            save_flow(source.read_text(encoding="utf-8"), at=timezone.now(), actor="system", mode="create")
        except FlowsError as error:
            raise StartError("example-invalid", f"The example flow {source} cannot be saved: {error}") from error
    if sources:
        print(f"Loaded {len(sources)} example flows.", flush=True)
