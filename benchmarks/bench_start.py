"""How long the second start takes, and how much memory the idle system uses. Run it on a machine that does nothing else."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.system_process import SystemProcess
from tests.support.systems import make_home_folder

SECOND_START_TARGET_SECONDS = 5.0
IDLE_TARGET_MIB = 400
SETTLING_SECONDS = 20.0


def measure_start(home: Path) -> tuple[SystemProcess, float]:
    """Start a system in `home` and return it with the seconds until it was ready."""
    began = time.monotonic()
    system = SystemProcess(home).start().wait_ready()
    return system, time.monotonic() - began


def measure_memory_mib(system: SystemProcess) -> float:
    """Return the proportional set size of all processes of the system."""
    assert system.process is not None
    root = psutil.Process(system.process.pid)
    return sum(process.memory_full_info().pss for process in (root, *root.children(recursive=True))) / 2**20


def main() -> int:
    """Print both figures with their targets; return 1 when one is missed."""
    folder = make_home_folder()
    try:
        system, first_seconds = measure_start(folder / "home")
        system.stop()
        system, second_seconds = measure_start(folder / "home")
        time.sleep(SETTLING_SECONDS)
        idle_mib = measure_memory_mib(system)
        system.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"first start:  {first_seconds:6.2f} s")
    print(f"second start: {second_seconds:6.2f} s    target {SECOND_START_TARGET_SECONDS:g} s")
    print(f"idle system:  {idle_mib:6.0f} MiB  target {IDLE_TARGET_MIB} MiB")
    return int(second_seconds > SECOND_START_TARGET_SECONDS or idle_mib > IDLE_TARGET_MIB)


if __name__ == "__main__":
    sys.exit(main())
