"""The commands that stand for one part of the system where `up` is not used."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from flows.models import Flow
from tests.support import eventually
from tests.support.system_process import ROOT, make_environment

from .conftest import Run


@pytest.mark.django_db(transaction=True)
def test_prepare_makes_an_administrator_and_the_examples_once(run: Run) -> None:
    """It closes its connection, as a command that runs alone may."""
    first, second = run("prepare"), run("prepare")

    assert (first.status, second.status, User.objects.filter(is_superuser=True).count()) == (0, 0, 1)
    assert ("shown only now" in first.out, "shown only now" in second.out) == (True, False)
    assert Flow.objects.exists()


def test_listen_runs_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, str(ROOT / "manage.py"), "listen"]
        listener = subprocess.Popen(command, env=make_environment(CELESTRA_HOME=str(tmp_path)), stdout=output, stderr=output)
    try:
        eventually(lambda: "listener.started" in log.read_text(), within=30)
        listener.send_signal(signal.SIGTERM)
        status = listener.wait(15)
    finally:
        listener.kill()

    assert (status, "listener.stopped" in log.read_text()) == (0, True), log.read_text()
