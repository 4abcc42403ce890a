"""The commands that stand for one part of the system where `up` is not used."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from flows.management.watching import FlowFolder
from flows.models import Flow
from tests.management.conftest import FLOW, Run
from tests.support import eventually
from tests.support.system_process import ROOT, SystemProcess, find_free_port, make_environment


def manage(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the data of a system."""
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    environment = make_environment(CELESTRA_HOME=str(home))
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


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


def _call(port: int, path: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.system
@pytest.mark.lifecycle
def test_a_server_starts_chosen_roles_and_follows_a_folder(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "watched.yml"
    path.write_text(FLOW.format(id="watched", namespace="company.team", message="one"))
    port, management = find_free_port(), find_free_port()
    words = [
        str(ROOT / "manage.py"),
        "server",
        "--roles",
        "web,scheduler,indexer",
        "--port",
        str(port),
        "--management-port",
        str(management),
    ]
    words += ["--flow-path", str(tmp_path), "--no-tutorials", "--no-indexer", "--grace", "2s"]
    system = SystemProcess(home, port=port, command=words).start().wait_ready()
    try:
        eventually(lambda: system.call("GET", "/api/v1/main/flows/company.team/watched")[0] == 200)
        path.write_text(FLOW.format(id="watched", namespace="company.team", message="another"))
        eventually(lambda: system.call("GET", "/api/v1/main/flows/company.team/watched")[1].get("revision") == 2)
        flows = system.call("GET", "/api/v1/main/flows/search")[1]["total"]
        shown = [_call(management, each) for each in ("/ping", "/health/liveness", "/ui/login", "/api/v1/main/flows/search")]
        status = manage(home, "server", "status", "-o", "json")
    finally:
        left = system.stop()

    assert (flows, shown, left) == (1, [200, 200, 404, 404], 0)
    assert {row["type"]: row["state"] for row in json.loads(status.stdout)} == {
        "SCHEDULER": "RUNNING",
        "WEB": "RUNNING",
        "WORKER": "MISSING",
    }
    assert status.returncode == 1


@pytest.mark.system
def test_the_parts_of_a_running_system_report(running_system: SystemProcess) -> None:
    status = eventually(lambda: (found := manage(running_system.home, "server", "status")).returncode == 0 and found)

    assert {line.split()[0] for line in status.stdout.splitlines()} == {"SERVICE", "scheduler", "web", "worker"}
    checked = manage(running_system.home, "doctor", "--only", "broker", "--only", "workers", "--only", "scheduler", "-o", "json")
    assert {row["check"]: row["status"] for row in json.loads(checked.stdout)} == {
        "broker": "ok",
        "workers": "ok",
        "scheduler": "ok",
    }


@pytest.mark.system
@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (["worker", "--threads", "1", "--group", "gpu", "--drain-timeout", "1s"], "ready."),
        (["executor", "--threads", "1"], "ready."),
        (["scheduler", "--interval", "1s"], "scheduler"),
    ],
    ids=["worker", "executor", "scheduler"],
)
def test_one_part_runs_beside_a_system_until_it_is_asked_to_stop(
    running_system: SystemProcess, tmp_path: Path, words: list[str], sign: str
) -> None:
    """The clock says nothing by itself; that it reports is its sign of life."""
    log = tmp_path / "log"
    kind = "scheduler" if words[0] == "scheduler" else "worker"

    def count() -> int:
        rows = json.loads(manage(running_system.home, "server", "status", "-o", "json").stdout)
        return sum(row["type"] == kind.upper() for row in rows)

    before = eventually(count)
    with log.open("wb") as output:
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        environment = make_environment(CELESTRA_HOME=str(running_system.home))
        part = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        eventually(lambda: count() > before, within=40, every=0.5)
        part.send_signal(signal.SIGTERM)
        status = part.wait(20)
    finally:
        part.kill()

    assert status == 0, log.read_text()
    if kind == "worker":
        assert sign in log.read_text()


def test_a_part_that_cannot_be_is_wrong_usage(run: Run) -> None:
    answers = [
        run("server", "--roles", "web,cook"),
        run("server", "--roles", "indexer"),
        run("server", "--port", "0"),
        run("server", "--flow-path", "/nowhere/at/all"),
        run("worker", "--group", "no/name"),
        run("worker", "--threads", "0"),
        run("executor", "--threads", "many"),
        run("scheduler", "--interval", "soon"),
    ]

    assert [answer.status for answer in answers] == [2] * 8
    assert all(answer.err for answer in answers)


@pytest.mark.django_db
def test_a_folder_is_saved_once_and_faults_do_not_stop_it(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(FLOW.format(id="good", namespace="company.team", message="hi"))
    bad.write_text("id: bad\n")
    flows = FlowFolder(tmp_path)

    first, second = flows.save_changes(), flows.save_changes()
    bad.write_text(FLOW.format(id="bad", namespace="company.team", message="well"))
    third = flows.save_changes()

    assert (first, second, third) == (2, 0, 1)
    assert sorted(Flow.objects.values_list("flow_id", flat=True)) == ["bad", "good"]
