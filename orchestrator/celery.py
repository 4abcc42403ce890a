"""The Celery app: quiet, JSON only, late acknowledgement. Rows are the truth, so a message may be lost or doubled."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import threading
from typing import Any

from celery import Celery
from celery.apps.worker import Worker, install_worker_term_handler
from celery.signals import beat_init, celeryd_init, setup_logging, task_prerun
from django.conf import settings
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

log = logging.getLogger(__name__)


class QuietWorker(Worker):
    """
    A worker that talks to nobody but the broker, and that stops softly on TERM: it takes no more messages and lets running tasks
    finish for `worker_soft_shutdown_timeout` seconds. What still runs then, or at a second TERM, is ended; its lease brings it
    back.
    """

    def __init__(self, app: Celery | None = None, hostname: str | None = None, **options: Any) -> None:
        # Gossip, mingle and idle heartbeats cost broker memory; our heartbeat rows say who is alive. Flower needs events (-E).
        options.update(without_gossip=True, without_mingle=True)
        options["without_heartbeat"] = not options.get("task_events")
        self._end_of_grace: threading.Timer | None = None
        super().__init__(app, hostname, **options)

    def install_platform_tweaks(self, worker: Worker) -> None:
        """
        Install the usual signal handlers, with a limited wait behind TERM.

        Celery's own soft shutdown sleeps inside the signal handler: it waits the whole time even when every task has ended, and
        records no result meanwhile.
        """
        super().install_platform_tweaks(worker)
        install_worker_term_handler(worker, callback=QuietWorker._start_grace)

    def _start_grace(self) -> None:
        if self._end_of_grace is not None:
            self._end_running_tasks()
            return
        self._end_of_grace = threading.Timer(self.app.conf.worker_soft_shutdown_timeout, self._end_running_tasks)
        self._end_of_grace.daemon = True
        self._end_of_grace.start()

    def _end_running_tasks(self) -> None:
        for child in list(getattr(getattr(self.pool, "_pool", None), "_pool", ())):
            try:
                os.kill(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class OrchestratorCelery(Celery):
    """Celery with our worker class, also for `celery -A orchestrator worker`."""

    @property
    def Worker(self) -> type[Worker]:  # noqa: N802 (Celery's name)
        """The class that the command line starts."""
        worker: type[Worker] = self.subclass_with_self(QuietWorker, name="Worker")
        return worker


app = OrchestratorCelery("orchestrator")
app.config_from_object("orchestrator.celeryconfig")
app.autodiscover_tasks(["flows"])


@setup_logging.connect
def _log_as_django_does(**_: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)


@celeryd_init.connect
def _wait_until_work_is_possible(**_: Any) -> None:
    # The app's code can be imported only now: this module is loaded while the settings are.
    from flows.checks import list_broker_faults
    from orchestrator.readiness import wait_for_database

    redis_url: str | None = settings.CELESTRA["redis_url"]  # type: ignore[assignment]  # a plain map of settings
    for fault in list_broker_faults(redis_url) if redis_url else []:
        if fault.is_serious():
            raise SystemExit(f"{fault.msg} {fault.hint} [{fault.id}]")
        log.warning("broker.unchecked", extra={"reason": fault.msg})
    wait_for_database()


@beat_init.connect
def _wait_for_database(**_: Any) -> None:
    from orchestrator.readiness import wait_for_database

    wait_for_database()


@task_prerun.connect
def _drop_broken_connections(**_: Any) -> None:
    # A kept connection may have died with a restarted server; Django looks before its next use.
    close_old_connections()
