"""The order in which a whole system comes up, and what it tells the person in front of it."""

from __future__ import annotations

import gc
import socket
import tempfile
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, replace
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
    choose_queues,
    load_shared_modules,
    make_beat_part,
    make_listener_part,
    make_web_part,
    make_worker_part,
)
from flows.management.supervisor.valkey import EmbeddedValkey
from flows.management.watching import watch_flows

ROLES = ("web", "executor", "scheduler", "worker")
"""The parts of a system that may run on different hosts. What belongs to one of them only starts with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What a start begins with.

    Attributes:
        examples: folder of the flows of a new installation, None for none.
        trusted_proxies: addresses whose word about the outer connection is believed, with commas between.
        roles: some of `ROLES`.
        flow_path: folder whose flows are saved now and whenever they change, None for none.
        management_port: second port with state and figures alone, None for none.
        migrates: whether missing migrations are applied; those of our own embedded database always are.
    """

    examples: Path | None = None
    trusted_proxies: str = ""
    roles: frozenset[str] = frozenset(ROLES)
    flow_path: Path | None = None
    management_port: int | None = None
    migrates: bool = True


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the web part listens on; None where it does not."""

    site: socket.socket | None
    management: socket.socket | None

    def close(self) -> None:
        """Close them in this process."""
        for each in (self.site, self.management):
            if each is not None:
                each.close()


def run_system(given: Settings, plan: Plan) -> int:
    """
    Start what the plan says, say where it is, and run until INT, TERM or HUP. Return the exit status: 0 after a wish to stop.

    Nothing is left behind in either case: no process, no socket, no lock. The data stays in the home.
    """
    console = Console()
    try:
        # The supervisor comes first, so that a wish to stop is heard before there is anything to leave behind.
        with (
            Supervisor(console) as supervisor,
            Home(given.home, given.run_folder) as home,
            closing(_bind(given, plan)) as sockets,
        ):
            postgres = _make_postgres(given)
            try:
                password = start_parts(supervisor, given, postgres, sockets, plan)
                home.write_parts({running.part.name: running.pid for running in supervisor.running})
                console.say(
                    describe_ready(given, password) if sockets.site else f"Celestra is ready: {', '.join(sorted(plan.roles))}."
                )
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


def _bind(given: Settings, plan: Plan) -> Sockets:
    if "web" not in plan.roles:
        return Sockets(None, None)
    site = bind_port(given)
    try:
        management = None if plan.management_port is None else bind_port(replace(given, port=plan.management_port))
    except StartError:
        site.close()
        raise
    return Sockets(site, management)


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
    supervisor: Supervisor, given: Settings, postgres: EmbeddedPostgres | None, sockets: Sockets, plan: Plan
) -> str | None:
    """Start the servers, prepare the database, start our processes, wait until all work; return a new password."""
    supervisor.console.say(f"Starting in {given.home}. Stop with Ctrl-C.")
    _start_servers(supervisor, given, postgres)
    password = _prepare(supervisor, given, postgres, plan)
    if postgres is not None:
        offer_examples_database(postgres)
    # Pages that all forks share stay shared only while the collector does not touch them.
    gc.collect()
    gc.freeze()
    awaited = [supervisor.start(part) for part in _list_parts(given, sockets, plan)]
    sockets.close()
    for running in awaited:
        supervisor.wait_ready(running, within=60)
    return password


def _list_parts(given: Settings, sockets: Sockets, plan: Plan) -> list[Part]:
    parts = []
    if sockets.site is not None:
        parts.append(make_web_part(sockets.site, sockets.management, plan.trusted_proxies, lambda: is_healthy(given)))
    queues = choose_queues(given, plan.roles)
    if queues and given.worker_concurrency:
        parts.append(make_worker_part(given, given.run_folder / "worker.ready", queues=queues))
    if "scheduler" in plan.roles:
        parts.append(make_beat_part())
    if "worker" in plan.roles:
        parts.append(make_listener_part())
    if plan.flow_path is not None:
        folder = plan.flow_path
        parts.append(Part(name="flows", body=lambda: watch_flows(folder), grace_seconds=5.0))
    return parts


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


def _prepare(supervisor: Supervisor, given: Settings, postgres: EmbeddedPostgres | None, plan: Plan) -> str | None:
    # A process of its own: ours must hold no connection when it forks. The file hands the password over and has no name.
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=given.home) as report:

        def prepare() -> None:
            report.write(prepare_database(given, postgres, plan.examples, migrates=plan.migrates) or "")
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
