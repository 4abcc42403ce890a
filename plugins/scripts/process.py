"""Running a command as a child process of the worker, through a supervisor that ends with everything below it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flows.plugin_api.context import RunContext
from plugins.scripts.command import Command, RunResult
from plugins.scripts.environment import python_environment
from plugins.scripts.lines import LineSplitter
from plugins.scripts.stopping import KILLED, LOOK_SECONDS, TIMEOUT, find_stop_cause
from plugins.scripts.supervisor import TAKEN

TakeLine = Callable[[str, bool], None]
"""Called with each line and whether it came from standard error."""

_PROGRAM = Path(__file__).with_name("supervisor.py")
_READ_BYTES = 256 * 1024
_AFTER_KILL_SECONDS = 8.0


class SupervisorLostError(Exception):
    """The supervisor ended before its script did, or does not answer, for example because the host ran out of memory."""


class Supervisor:
    """One supervisor process and the channel to it. It runs one job at a time and is used again for the next."""

    def __init__(self) -> None:
        self.is_new = True
        self.channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, by argument list
                [sys.executable, str(_PROGRAM), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=python_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def send_job(self, job: Mapping[str, Any], outputs: tuple[int, int]) -> None:
        """Hand over a job and the write ends for its standard output and error. Raises OSError when the supervisor is gone."""
        body = json.dumps(job).encode()
        socket.send_fds(self.channel, [struct.pack("!I", len(body))], outputs)
        self.channel.sendall(body)

    def ask_to_end(self, *, forcibly: bool) -> None:
        """Ask to terminate, or to kill, everything that the job started."""
        with contextlib.suppress(OSError):
            self.channel.sendall(b"K" if forcibly else b"T")

    def close(self) -> None:
        """Close the channel, on which the supervisor kills what it still has and ends; then collect it."""
        self.channel.close()
        try:
            self._process.wait(timeout=_AFTER_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class SupervisorPool:
    """
    Idle supervisors of this process. Safe to use from many threads; a forked child starts with an empty pool of its own,
    because a channel shared by two processes would neither close with one of them nor keep their jobs apart.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Supervisor] = []
        self._owner = os.getpid()

    def take(self) -> Supervisor:
        """Return an idle supervisor, or a new one."""
        with self._lock:
            if self._owner != os.getpid():
                for foreign in self._idle:
                    foreign.channel.close()
                self._idle, self._owner = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return Supervisor()

    def give_back(self, supervisor: Supervisor) -> None:
        """Keep a supervisor whose job has ended without a kill for the next job."""
        supervisor.is_new = False
        with self._lock:
            self._idle.append(supervisor)


_pool = SupervisorPool()


def run_process(command: Command, take_line: TakeLine, context: RunContext, stop: threading.Event) -> RunResult:
    """
    Run `command` and return how it ended; every process that it started has ended then, also those that left its group.

    `take_line` gets the output line by line while the command runs, on the calling thread. The run is stopped when `stop` or
    `context.cancelled` is set or `context.deadline` passes: TERM to all processes, `kill_grace_seconds` later KILL.

    Raises:
        SupervisorLostError: the supervising process was killed from outside.

    Source: reliability, R-08, R-13; security, S-23.
    """
    if stop.is_set() or context.cancelled.is_set():
        return RunResult(exit_code=128 + signal.SIGTERM, reason="The run was stopped before the command started.")
    while True:
        supervisor = _pool.take()
        run = _Run(supervisor, command, take_line, context, stop)
        try:
            run.begin()
            answer = run.follow()
            break
        except SupervisorLostError:
            supervisor.close()
            # An idle supervisor may have been killed since its last job; one that had not taken the job has started nothing.
            if supervisor.is_new or run.is_taken:
                raise
        except BaseException:
            supervisor.close()
            raise
    if run.was_told_to_end:
        supervisor.close()
    else:
        _pool.give_back(supervisor)
    return _to_result(answer, run, command)


class _Run:
    """One job on its way: the pipes, the two line splitters and the kill schedule."""

    def __init__(
        self, supervisor: Supervisor, command: Command, take_line: TakeLine, context: RunContext, stop: threading.Event
    ) -> None:
        self._supervisor = supervisor
        self._command = command
        self._take_line = take_line
        self._context = context
        self._stop = stop
        self._kill_at: float | None = None
        self._give_up_at: float | None = None
        self._answer = bytearray()
        self.is_taken = False
        self.was_told_to_end = False
        self.end_cause = ""

    def begin(self) -> None:
        """Open the pipes and hand the job over."""
        limits = self._command.limits
        job = {
            "argv": list(self._command.argv),
            "env": dict(self._command.env),
            "cwd": str(self._command.workdir),
            "memory_limit": limits.memory,
            "cpu_seconds": limits.cpu_seconds,
            "file_size": limits.file_size,
            "processes": limits.processes,
            "python": str(self._command.python_file) if self._command.python_file else None,
        }
        out_read, out_write = os.pipe()
        error_read, error_write = os.pipe()
        self._pipes = {out_read: (False, LineSplitter()), error_read: (True, LineSplitter())}
        try:
            self._supervisor.send_job(job, (out_write, error_write))
        except OSError as error:
            self._close_pipes()
            raise SupervisorLostError("The process that supervises scripts did not take the script.") from error
        finally:
            os.close(out_write)
            os.close(error_write)

    def follow(self) -> dict[str, Any]:
        """Read until the supervisor has answered and both pipes are empty; return the answer."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._supervisor.channel, selectors.EVENT_READ)
            for pipe in self._pipes:
                selector.register(pipe, selectors.EVENT_READ)
            try:
                while selector.get_map():
                    for key, _ in selector.select(self._wait_seconds()):
                        if not self._read(key.fd):
                            selector.unregister(key.fileobj)
                    self._check_stop()
            finally:
                self._close_pipes()
        return dict(json.loads(bytes(self._answer)))

    def _wait_seconds(self) -> float:
        deadline = self._context.deadline
        return LOOK_SECONDS if deadline is None else min(LOOK_SECONDS, max(0.0, deadline - time.monotonic()))

    def _read(self, descriptor: int) -> bool:
        """Take what `descriptor` has to say; return False when that was the last of it."""
        if descriptor == self._supervisor.channel.fileno():
            try:
                piece = self._supervisor.channel.recv(4096)
            except ConnectionError:
                piece = b""
            if not piece:
                raise SupervisorLostError(
                    "The process that supervised the script was killed from outside; the script went with it."
                )
            if not self.is_taken:
                self.is_taken, piece = True, piece.removeprefix(TAKEN)
            self._answer += piece
            return not self._answer.endswith(b"\n")
        is_error, splitter = self._pipes[descriptor]
        piece = os.read(descriptor, _READ_BYTES)
        for line in splitter.feed(piece) if piece else splitter.finish():
            self._take_line(line, is_error)
        return bool(piece)

    def _check_stop(self) -> None:
        now = time.monotonic()
        if not self.was_told_to_end:
            cause = find_stop_cause(self._context, self._stop)
            if cause:
                self.was_told_to_end, self.end_cause = True, cause
                self._kill_at = now + self._command.limits.kill_grace_seconds
                self._supervisor.ask_to_end(forcibly=False)
        elif self._kill_at is not None and now >= self._kill_at:
            self._kill_at, self._give_up_at = None, now + _AFTER_KILL_SECONDS
            self._supervisor.ask_to_end(forcibly=True)
        elif self._give_up_at is not None and now >= self._give_up_at:
            raise SupervisorLostError("The script did not end although it was killed; it may be stuck in the operating system.")

    def _close_pipes(self) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                os.close(pipe)


def _to_result(answer: Mapping[str, Any], run: _Run, command: Command) -> RunResult:
    if "error" in answer:
        return RunResult(
            exit_code=127,
            reason=f'The program "{command.argv[0]}" could not be started on this worker: {answer["error"]}. '
            "Install it there, or name another interpreter or task runner.",
        )
    number = answer.get("signal", 0)
    code = answer["exit"] if "exit" in answer else 128 + number
    if "memory" in answer:
        limit, used = (_to_size(n or 0) for n in (command.limits.memory, answer["memory"]))
        return RunResult(code, f"Out of memory, limit {limit}: the command held {used} and was killed.")
    if run.end_cause == TIMEOUT:
        return RunResult(code, "The timeout has passed; the command and everything it started were ended.")
    if run.end_cause == KILLED:
        return RunResult(code, "The run was killed; the command and everything it started were ended.")
    if number == signal.SIGKILL:
        return RunResult(code, "The command was killed from outside (signal 9), most often because the host ran out of memory.")
    if number:
        return RunResult(code, f"The command was ended by signal {number} ({signal.Signals(number).name}).")
    return RunResult(code)


def _to_size(count: int) -> str:
    return f"{count / 1024**2:.0f} MiB" if count >= 1024**2 else f"{count} bytes"
