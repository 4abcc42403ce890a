"""
The small program between a worker and one script: it starts the script, measures it and leaves none of its processes behind.

It runs by itself, imports nothing of ours, and ends with every process below it when the worker's end of the channel closes.
A Python script runs in a fork of it, which saves the start of an interpreter; what the script sees is the same.
"""

from __future__ import annotations

import sys

FRESH_MODULES = frozenset(sys.modules)
"""What every Python has imported before its script begins."""

# ruff: noqa: E402 - the line above must run before the imports
import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import time
import types
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, Protocol

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

TAKEN = b"A"
MEMORY_CHECK_SECONDS = 0.1
CLEANUP_SECONDS = 5.0
LIMITS = {"cpu_seconds": resource.RLIMIT_CPU, "file_size": resource.RLIMIT_FSIZE, "processes": resource.RLIMIT_NPROC}

libc = ctypes.CDLL(None, use_errno=True)


class RunHere(Exception):
    """This process is a fork and must now be the script whose path is the argument; raised to leave our frames."""


class Started(Protocol):
    """A started program: `subprocess.Popen` or `Fork`."""

    pid: int

    def wait(self) -> int:
        """Return the exit code, negative for a signal."""


class Fork:
    """A fork of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Collect the process and return its exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def serve(channel: socket.socket) -> None:
    """Run one job after the other until the worker closes its end."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Forks share our memory until someone writes to it, and the collector writes to whatever it looks at.
    gc.collect()
    gc.freeze()
    while (received := receive_job(channel)) is not None:
        job, files = received
        # Before anything starts: without this answer the worker may give the job to another supervisor.
        channel.sendall(TAKEN)
        answer = run_job(channel, job, files)
        channel.sendall(json.dumps(answer).encode() + b"\n")


def receive_job(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next job and its two output descriptors, or None when the worker is gone."""
    head, files, _flags, _address = socket.recv_fds(channel, 4, 2)
    body = bytearray()
    while len(head) < 4 and head:
        head += channel.recv(4 - len(head)) or b"\0\0\0\0"
    length = struct.unpack("!I", head)[0] if head else 0
    while len(body) < length:
        piece = channel.recv(min(length - len(body), 1 << 20))
        if not piece:
            return None
        body += piece
    return (json.loads(bytes(body)), files) if body else None


def run_job(channel: socket.socket, job: dict[str, Any], files: list[int]) -> dict[str, Any]:
    """Start the script, wait for its end and return `{exit}` or `{signal}` or `{error}`, with `memory` when that ended it."""
    process: Started
    try:
        process = fork(channel, job, files) if can_fork(job) else start(job, files)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"error": str(error)}
    finally:
        for descriptor in files:
            os.close(descriptor)
    out_of_memory = watch(channel, process, job.get("memory_limit"))
    code = process.wait()
    end_leftovers()
    answer = {"exit": code} if code >= 0 else {"signal": -code}
    if out_of_memory:
        answer["memory"] = out_of_memory
    return answer


def start(job: dict[str, Any], files: list[int]) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own."""
    return subprocess.Popen(  # noqa: S603 - starting what the flow's author wrote is the purpose of this program
        job["argv"],
        env=job["env"],
        cwd=job["cwd"],
        stdin=subprocess.DEVNULL,
        stdout=files[0],
        stderr=files[1],
        start_new_session=True,
        preexec_fn=lambda: prepare(job),
    )


def prepare(job: dict[str, Any]) -> None:
    """Bind the new process to the life of this one, take away what it must not gain, and set its limits."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, kind in LIMITS.items():
        if job.get(name):
            resource.setrlimit(kind, (job[name], job[name]))


def can_fork(job: dict[str, Any]) -> bool:
    """
    Tell whether a fork can be the script: a Python script whose neighbours do not have the name of a module loaded here.

    In a fresh interpreter such a neighbour would be imported in the module's place.
    """
    if not job.get("python"):
        return False
    ours = {name.partition(".")[0] for name in sys.modules.keys() - FRESH_MODULES}
    return not ours & {path.name.partition(".")[0] for path in Path(job["cwd"]).iterdir()}


def fork(channel: socket.socket, job: dict[str, Any], files: list[int]) -> Fork:
    """Fork, and in the child take the place of a fresh interpreter; the child leaves by `RunHere`."""
    pid = os.fork()
    if pid:
        return Fork(pid)
    try:
        os.setsid()
        prepare(job)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        channel.detach()
        for entry in Path("/proc/self/fd").iterdir():
            if int(entry.name) > 2:
                with contextlib.suppress(OSError):
                    os.close(int(entry.name))
        files.clear()
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        time.tzset()
    except BaseException as error:  # noqa: BLE001 - nothing of the supervisor may run on in the fork
        os.write(2, f"The script could not be started: {error}\n".encode())
        os._exit(126)
    raise RunHere(job["python"])


def run_program(path: str) -> None:
    """Be the script: its module is `__main__`, its folder comes first on the path, its errors show no frame of ours."""
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=path,
        __builtins__=__builtins__,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
        __annotations__={},
    )
    sys.modules["__main__"] = main
    sys.argv[:] = [path]
    # A fresh interpreter would have been found as `python` on the path, whose first folder is that of ours.
    named = Path(sys.executable).with_name("python")
    sys.executable = str(named) if named.exists() else sys.executable
    sys.orig_argv[:] = [sys.executable, path]
    sys.path[0] = str(Path(path).parent)
    try:
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 - this is the script that the flow's author wrote
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - as the interpreter does for its script
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)


def watch(channel: socket.socket, process: Started, memory_limit: int | None) -> int:
    """Wait until the script has ended; obey kill letters; return the bytes in use when the memory limit was passed, else 0."""
    descriptor = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(descriptor, select.POLLIN)
    seen = 0
    try:
        while True:
            events = poll.poll(MEMORY_CHECK_SECONDS * 1000 if memory_limit and not seen else None)
            ready = {fd for fd, _ in events}
            if channel.fileno() in ready:
                obey(channel.recv(16))
            if descriptor in ready:
                return seen
            if memory_limit and not seen and memory_in_use(memory_limit) > memory_limit:
                seen = memory_in_use(memory_limit)
                signal_all(signal.SIGKILL)
    finally:
        os.close(descriptor)


def obey(letters: bytes) -> None:
    """End the script as the worker asks; a closed channel means that the worker died, so everything goes at once."""
    if not letters:
        end_leftovers()
        os._exit(0)
    signal_all(signal.SIGKILL if b"K" in letters else signal.SIGTERM)


def signal_all(number: int) -> None:
    """Signal every process below this one; one that left its session or lost its parent is below it all the same."""
    for pid in list_descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_leftovers() -> None:
    """Kill and collect what the script left running, so that no output pipe stays open and nothing outlives the task."""
    ends_at = time.monotonic() + CLEANUP_SECONDS
    while time.monotonic() < ends_at:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                signal_all(signal.SIGKILL)
                time.sleep(0.005)
        except ChildProcessError:
            return


def list_descendants() -> list[int]:
    """Return the ids of all processes below this one, nearest first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = list(children.get(os.getpid(), ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def memory_in_use(limit: int) -> int:
    """
    Return the bytes that the processes below hold for themselves.

    The cheap sum counts pages shared by a fork several times; the exact one is taken only when the cheap one is over `limit`.
    """
    pids = list_descendants()
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{pid}/statm").read_bytes().split()
            total += (int(fields[1]) - int(fields[2])) * resource.getpagesize()
    if total <= limit or len(pids) == 1:
        return total
    exact = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
            exact += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
    return exact or total


if __name__ == "__main__":
    program = ""
    try:
        serve(socket.socket(fileno=int(sys.argv[1])))
    except RunHere as call:
        program = str(call)
    # Outside of the handler, so that errors of the script do not name `RunHere` as their context.
    if program:
        own_module = sys.modules["__main__"]
        run_program(program)
