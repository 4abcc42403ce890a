"""The order in which a whole system comes up, and what it tells the person in front of it."""

from __future__ import annotations

import gc
import socket
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from django.core.checks import run_checks

from flows.conf import Settings
from flows.management.supervisor.console import Console
from flows.management.supervisor.faults import StartError, StopRequested
from flows.management.supervisor.home import Home
from flows.management.supervisor.loop import Supervisor
from flows.management.supervisor.parts import Part
from flows.management.supervisor.postgres import EmbeddedPostgres
from flows.management.supervisor.preparation import offer_examples_database, prepare_database
from flows.management.supervisor.roles import (
    load_shared_modules,
    make_beat_part,
    make_listener_part,
    make_web_part,
    make_worker_part,
)
from flows.management.supervisor.valkey import EmbeddedValkey


def run_system(given: Settings, *, examples: Path, trusted_proxies: str = "") -> int:
    """
    Start everything, say where it is, and run until INT, TERM or HUP. Return the exit status: 0 after a wish to stop.

    Nothing is left behind in either case: no process, no socket, no lock. The data stays in the home.
    """
    console = Console()
    try:
        # The supervisor comes first, so that a wish to stop is heard before there is anything to leave behind.
        with Supervisor(console) as supervisor, Home(given.home, given.run_folder) as home, bind_port(given) as listening:
            postgres = _make_postgres(given)
            try:
                password = start_parts(supervisor, given, postgres, listening, examples=examples, trusted_proxies=trusted_proxies)
                home.write_parts({running.part.name: running.pid for running in supervisor.running})
                console.say(describe_ready(given, password))
                supervisor.run()
            except StopRequested:
                console.say("Stopping.")
            finally:
                # Before the home is given back: the parts still work in it.
                supervisor.stop_all()
                if postgres is not None:
                    postgres.discard_draft()
        console.say(f"Stopped. The data stays in {given.home}.")
    except StartError as error:
        console.say(str(error))
        return error.exit_status
    return 0


def bind_port(given: Settings) -> socket.socket:
    """Take the address of the web part, so that nobody else can take it while the rest starts. Raises StartError."""
    family = socket.AF_INET6 if ":" in given.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((given.host, given.port))
        # Only a listening socket keeps others away; nobody is answered before the web part is up.
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise StartError(
            "port-not-free",
            f"The web part cannot listen on {given.host}:{given.port} ({error.strerror}){_name_listener(given.port)}. Stop that "
            f"program, or choose another port, for example CELESTRA_PORT={_propose_port(given.port)} make up.",
        ) from error
    return listening


def _propose_port(taken: int) -> int:
    return taken + 1 if 1024 <= taken < 65535 else 8081


def _name_listener(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f": process {connection.pid} ({psutil.Process(connection.pid).name()}) does"
            except psutil.Error:
                return f": process {connection.pid} does"
    return ""


def start_parts(
    supervisor: Supervisor,
    given: Settings,
    postgres: EmbeddedPostgres | None,
    listening: socket.socket,
    *,
    examples: Path,
    trusted_proxies: str,
) -> str | None:
    """Start the servers, prepare the database, start our processes, wait until all work; return a new password."""
    supervisor.console.say(f"Starting in {given.home}. Stop with Ctrl-C.")
    _start_servers(supervisor, given, postgres)
    password = _prepare(supervisor, given, postgres, examples)
    if postgres is not None:
        offer_examples_database(postgres)
    # Pages that all forks share stay shared only while the collector does not touch them.
    gc.collect()
    gc.freeze()
    awaited = []
    for part in (
        make_web_part(given, listening, trusted_proxies, lambda: is_healthy(given)),
        make_worker_part(given, given.run_folder / "worker.ready"),
        make_beat_part(),
        make_listener_part(),
    ):
        awaited.append(supervisor.start(part))
    listening.close()
    for running in awaited:
        supervisor.wait_ready(running, within=60)
    return password


def _make_postgres(given: Settings) -> EmbeddedPostgres | None:
    if not given.database_is_embedded:
        return None
    connections = 40 + 4 * given.worker_concurrency
    return EmbeddedPostgres(given.home / "postgres", given.run_folder / "postgres", max_connections=connections)


def _start_servers(supervisor: Supervisor, given: Settings, postgres: EmbeddedPostgres | None) -> None:
    started = []
    if postgres is not None:
        postgres.prepare()
        if not postgres.is_initialised:
            supervisor.console.say("Making the database, once.")
            supervisor.run_to_end(postgres.make_initialising_part())
            postgres.finish_initialising()
        started.append(supervisor.start(postgres.make_part()))
    if given.broker_is_embedded:
        valkey = EmbeddedValkey(given.home / "valkey", given.run_folder / "valkey" / "valkey.sock")
        valkey.prepare()
        started.append(supervisor.start(valkey.make_part()))
    elif given.redis_url:
        refuse_unsafe_broker()
    # The servers come up while we load.
    load_shared_modules()
    for running in started:
        supervisor.wait_ready(running, within=60)


def refuse_unsafe_broker() -> None:
    """Raise StartError when a broker that is not ours would lose messages; warnings of the check pass."""
    for fault in run_checks(tags=["broker"], include_deployment_checks=True):
        if fault.is_serious():
            raise StartError("broker-unsafe", f"{fault.msg} {fault.hint} ({fault.id})")


def _prepare(supervisor: Supervisor, given: Settings, postgres: EmbeddedPostgres | None, examples: Path) -> str | None:
    # A process of its own: ours must hold no connection when it forks. The file hands the password over and has no name.
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=given.home) as report:

        def prepare() -> None:
            report.write(prepare_database(given, postgres, examples) or "")
            report.flush()

        supervisor.run_to_end(Part(name="setup", body=prepare, grace_seconds=3.0))
        report.seek(0)
        return report.read() or None


def is_healthy(given: Settings) -> bool:
    """Whether the system says of itself that it can take executions."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(given.host, given.host)  # noqa: S104 (compared, not bound)
    address = f"http://[{host}]:{given.port}/health" if ":" in host else f"http://{host}:{given.port}/health"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=0.5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def describe_ready(given: Settings, password: str | None) -> str:
    """Return the lines that tell a person where to go and what to click."""
    lines = [f"Celestra is ready: {given.public_url}/ui/"]
    if password:
        lines += [
            f"Sign in as {given.admin_user} with the password {password}",
            "This password is shown only now; change it on the page of your account.",
        ]
    elif given.first_start == "setup" and not given.admin_password:
        lines.append("Sign in with your account, or make the first one on that page.")
    else:
        lines.append(f"Sign in as {given.admin_user}.")
    lines.append("Open Flows, choose a flow and press Execute; its page then shows tasks, logs and outputs live.")
    lines.append(f"The API answers at {given.public_url}/api/v1/main, the state of each part at {given.public_url}/health.")
    return "\n".join(lines)
