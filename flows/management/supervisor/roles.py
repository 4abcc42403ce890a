"""What our own four processes run. Each is the same as its plain command; here they share the modules that are already loaded."""

from __future__ import annotations

import importlib
import socket
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flows.conf import DEFAULT_QUEUE, Settings
from flows.management.supervisor.management_port import limit_to_management
from flows.management.supervisor.parts import Part

STREAM_GRACE_SECONDS = 2
"""How long the web part waits for open requests and live streams when it stops."""


def make_web_part(
    listening: socket.socket, management: socket.socket | None, trusted_proxies: str, is_ready: Callable[[], bool]
) -> Part:
    """Return the web part; it serves on sockets that are already bound."""
    return Part(
        name="web",
        body=lambda: serve_web(listening, management, trusted_proxies),
        is_ready=is_ready,
        grace_seconds=STREAM_GRACE_SECONDS + 6.0,
    )


def serve_web(listening: socket.socket, management: socket.socket | None, trusted_proxies: str) -> int:
    """Serve the site until TERM, and on the socket `management` its state and figures alone."""
    import uvicorn

    application: Any = "orchestrator.asgi:application"
    sockets = [listening]
    if management is not None:
        whole = importlib.import_module("orchestrator.asgi").application
        application = limit_to_management(whole, port=management.getsockname()[1])
        sockets.append(management)
    config = uvicorn.Config(
        application,
        http="orchestrator.slow_clients:PatientProtocol",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=STREAM_GRACE_SECONDS,
        timeout_keep_alive=30,
        # The header that names the outer connection is believed only where a proxy was named.
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
        server_header=False,
        date_header=True,
    )
    uvicorn.Server(config).run(sockets=sockets)
    return 0


def make_worker_part(given: Settings, ready_path: Path, *, queues: Sequence[str]) -> Part:
    """Return one worker for some queues; it makes the file `ready_path` when it takes messages."""

    def work() -> int:
        from celery.signals import worker_ready

        worker_ready.connect(lambda **_: ready_path.touch(), weak=False)
        return run_worker(queues, threads=given.worker_concurrency, drain_seconds=given.soft_shutdown_seconds)

    return Part(name="worker", body=work, is_ready=ready_path.exists, grace_seconds=given.soft_shutdown_seconds + 10)


def run_worker(queues: Sequence[str], *, threads: int, drain_seconds: float) -> int:
    """
    Run a worker in this process until TERM, and return its exit status.

    Args:
        queues: which queues it takes messages from.
        threads: processes that run tasks at the same time.
        drain_seconds: how long running tasks may go on after TERM.
    """
    from celery import current_app

    current_app.conf.worker_soft_shutdown_timeout = drain_seconds
    names = ",".join(queues)
    return run_celery(["worker", "--hostname", "worker@%h", "--concurrency", str(threads), "--queues", names])


def choose_queues(given: Settings, roles: frozenset[str]) -> list[str]:
    """Return the queues of a worker with these roles: the engine's work is in the default queue, scripts may have others."""
    engine = [DEFAULT_QUEUE] if "executor" in roles else []
    return list(dict.fromkeys([*engine, *(given.worker_queues if "worker" in roles else ())]))


def make_beat_part() -> Part:
    """Return the clock."""
    return Part(name="beat", body=lambda: run_celery(["beat"]), grace_seconds=5.0)


def run_celery(arguments: list[str]) -> int:
    """Run a Celery command in this process and return its exit status."""
    from celery import current_app
    from celery.exceptions import SecurityWarning

    # Running as root is a supported way to start here, and messages are JSON, so Celery's advice does not apply.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    try:
        current_app.start(argv=["--quiet", *arguments])
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def make_listener_part() -> Part:
    """Return the process of the realtime triggers."""

    def listen() -> int:
        from flows.management.commands.listen import run_listener

        return run_listener()

    return Part(name="listener", body=listen, grace_seconds=5.0)


def load_shared_modules() -> None:
    """Load what more than one part needs, once, before they fork: they share its memory and start at once."""
    for name in (
        "orchestrator.urls",
        "orchestrator.beat",
        "celery.apps.worker",
        "celery.apps.beat",
        "celery.bin.celery",
        "celery.concurrency.prefork",
        "celery.backends.redis",
        "kombu.transport.redis",
        "flows.tasks",
        "flows.operations.clock",
        "uvicorn",
    ):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
