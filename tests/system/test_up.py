"""`manage.py up` as a person meets it: start, stop at any moment, and the messages when it cannot start."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import eventually
from tests.support.system_process import ROOT, SystemProcess

pytestmark = [pytest.mark.system, pytest.mark.lifecycle]


def list_processes_of(home: Path) -> list[str]:
    """Return the command lines of all processes that belong to a home."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(home) in " ".join(process.cmdline()) or process.environ().get("CELESTRA_HOME") == str(home):
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return found


def list_traces_in(home: Path) -> list[str]:
    """Return the locks and sockets that lie in a home."""
    traces = (path for path in home.rglob("*") if path.is_socket() or path.suffix in (".lock", ".pid"))
    return sorted(str(path.relative_to(home)) for path in traces)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_no_process_no_socket_and_no_lock(home: Path, number: signal.Signals) -> None:
    system = SystemProcess(home).start().wait_ready()

    status = system.stop(number)

    assert (status, list_processes_of(home), list_traces_in(home)) == (0, [], []), system.output


@pytest.mark.parametrize("moment", ["Starting in", "Making the database", "Applying"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_start_up_leaves_nothing_and_the_next_start_works(home: Path, moment: str, number: signal.Signals) -> None:
    system = SystemProcess(home).start()
    eventually(lambda: moment in system.output, within=30, every=0.005)

    status = system.stop(number)
    left = list_processes_of(home), list_traces_in(home)
    second = SystemProcess(home).start().wait_ready()
    second.stop()

    assert (status, left) == (0, ([], [])), system.output


def test_three_starts_in_a_row_find_the_same_data(home: Path) -> None:
    keys = []
    for _ in range(3):
        system = SystemProcess(home).start().wait_ready()
        status, _ = system.call("GET", "/health")
        keys.append((status, system.stop(), (home / "keys" / "secret").read_text()))

    assert keys == [(200, 0, keys[0][2])] * 3


def test_the_generated_password_is_shown_once(home: Path) -> None:
    first = SystemProcess(home, CELESTRA_ADMIN_USER="alice@example.com")
    first.environment.pop("CELESTRA_ADMIN_PASSWORD")
    first.start().wait_ready().stop()
    second = SystemProcess(home, CELESTRA_ADMIN_USER="alice@example.com")
    second.environment.pop("CELESTRA_ADMIN_PASSWORD")
    second.start().wait_ready().stop()

    assert ("with the password" in first.output, "with the password" in second.output) == (True, False)


def test_a_taken_port_is_named_with_its_user_and_a_way_out(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        system = SystemProcess(home, port=port).start()

        status = system.wait_end()

    assert status == 1
    assert f"127.0.0.1:{port}" in system.output and "CELESTRA_PORT=" in system.output and "[port-not-free]" in system.output
    assert "Traceback" not in system.output


def test_a_second_system_in_the_same_home_is_refused(home: Path) -> None:
    first = SystemProcess(home).start().wait_ready()
    second = SystemProcess(home).start()

    status = second.wait_end()
    first_status, _ = first.call("GET", "/health")
    first.stop()

    assert (status, first_status) == (1, 200)
    assert "[home-in-use]" in second.output


def test_a_part_that_dies_is_named_and_everything_stops(home: Path) -> None:
    system = SystemProcess(home).start().wait_ready()
    valkey = next(
        process for process in psutil.process_iter(["name"]) if process.name() == "valkey-server" and is_of(process, home)
    )
    valkey.kill()

    status = system.wait_end()

    assert (status, list_processes_of(home)) == (1, [])
    assert 'The part "valkey" was ended by SIGKILL' in system.output and "[part-died]" in system.output


def is_of(process: psutil.Process, home: Path) -> bool:
    """Whether a process was started for a home."""
    return str(home) in " ".join(process.cmdline())


def _see_nothing_left(home: Path) -> bool:
    assert list_processes_of(home) == []
    return True


def test_a_killed_supervisor_leaves_no_part_running_and_the_next_start_works(home: Path) -> None:
    first = SystemProcess(home).start().wait_ready()
    first.send(signal.SIGKILL)
    first.wait_end()

    eventually(lambda: _see_nothing_left(home), within=45)
    second = SystemProcess(home).start().wait_ready()

    assert second.stop() == 0


STUBBORN = """
import os, signal, sys, time
from flows.management.supervisor.parts import Part, spawn

def stay():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("here", flush=True)
    time.sleep(300)

print(spawn(Part(name="stubborn", body=stay, grace_seconds=0.5), 1), flush=True)
time.sleep(300)
"""


def test_a_part_that_lost_the_signal_to_stop_ends_soon_after_its_supervisor() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        said = sorted([supervisor.stdout.readline().strip(), supervisor.stdout.readline().strip()])
        part = psutil.Process(int(said[0]))
        supervisor.kill()

        assert said[1] == "here"
        part.wait(timeout=15)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_ordinary_user_meets_a_clear_message_when_the_folder_is_not_writable(home: Path) -> None:
    home.mkdir(mode=0o755)
    system = SystemProcess(home, prefix=as_nobody(), HOME="/tmp").start()

    status = system.wait_end()

    assert status == 1
    assert str(home) in system.output and "CELESTRA_HOME" in system.output
    assert "Traceback" not in system.output


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_it_works_as_an_ordinary_user(home: Path) -> None:
    home.parent.chmod(0o777)
    system = SystemProcess(home, prefix=as_nobody(), HOME="/tmp").start().wait_ready()

    status = system.stop()

    assert (status, list_processes_of(home), list_traces_in(home)) == (0, [], [])
    assert home.stat().st_uid == 65534


def as_nobody() -> list[str]:
    """Return the words before a command that make it run as the user "nobody"."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    if not Path(os.path.realpath("/proc/self/exe")).stat().st_mode & 0o001 or not can_others_reach(
        Path(os.path.realpath("/proc/self/exe"))
    ):
        pytest.skip("this interpreter lies in a folder that other users cannot enter")
    return [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]


def can_others_reach(path: Path) -> bool:
    """Whether every folder above may be entered by all."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def test_a_deep_home_gets_short_sockets(home: Path) -> None:
    deep = home / ("deep-" * 12) / ("folder-" * 8)
    deep.parent.mkdir(parents=True)
    system = SystemProcess(deep).start().wait_ready()

    status = system.stop()

    assert (status, list_processes_of(deep)) == (0, [])
