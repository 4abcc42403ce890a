"""One part of the system and how its process comes to life: a program, or a function in a fork that shares our loaded modules."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from flows.management.supervisor.faults import StartError

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NAME = 15
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class User:
    """The system user a program runs as, by number."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    Attributes:
        name: prefix in the log.
        argv: the program and its arguments; None when `body` is given.
        body: function that the forked process runs; its result is the exit status.
        is_ready: says whether the part can do its work by now; None means as soon as it runs.
        stop_signal: what asks it to end.
        grace_seconds: how long it may take to end before it is killed.
        user: whom a program runs as; None means as we do.
        environment: variables added to ours for a program.
        is_quiet: whether its output is shown only when it fails.
        muted: texts whose lines are not worth showing.
    """

    name: str
    argv: Sequence[str] | None = None
    body: Callable[[], int | None] | None = None
    is_ready: Callable[[], bool] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    user: User | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    is_quiet: bool = False
    muted: tuple[str, ...] = ()


def spawn(part: Part, output: int) -> int:
    """
    Start `part` with its output on the file descriptor `output`, in a session of its own, and return its process id.

    The process gets its stop signal from the kernel when we die without stopping it (Linux). Call it from the main thread only:
    that signal comes with the end of the thread that started the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _become(part, output, parent)
        if part.argv is not None:
            os.execve(part.argv[0], list(part.argv), {**os.environ, **part.environment})  # noqa: S606 (no shell is wanted)
        elif part.body is not None:
            Thread(target=_end_with, args=(parent, part.grace_seconds), name="lifeline", daemon=True).start()
            status = part.body() or 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else (0 if leaving.code is None else 1)
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except StartError as error:
        print(error, file=sys.stderr)
        status = error.exit_status
    except BaseException:  # noqa: BLE001 (edge of a process: whatever it was, it is shown and ends this process)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become(part: Part, output: int, parent: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if part.user is not None:
        os.setgroups([])
        os.setgid(part.user.gid)
        os.setuid(part.user.uid)
    # After the change of user, which clears it.
    _call_prctl(_PR_SET_PDEATHSIG, part.stop_signal)
    if os.getppid() != parent:
        os._exit(1)
    if part.body is not None:
        _call_prctl(_PR_SET_NAME, f"celestra-{part.name}"[:15].encode())


def _end_with(parent: int, grace_seconds: float) -> None:
    """
    End this process when its parent is gone and the time for an orderly end has passed.

    The stop signal comes once, and Python may lose it: an exception that a handler raises while a destructor runs is dropped.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    time.sleep(grace_seconds)
    os._exit(1)


def find_wheel(package: str) -> Path:
    """Return the folder of an installed package without importing it. Raises StartError when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(
            "package-missing", f'The package "{package}" is not installed: install requirements.txt into this environment.'
        )
    return Path(next(iter(spec.submodule_search_locations)))


def adopt_orphans() -> None:
    """Become the parent of every process that our parts leave behind (Linux), so that a stop can find and end them."""
    _call_prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _call_prctl(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(int(value))
        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)
