"""The loop that starts parts, passes their output on, notices their deaths and stops them. It has one thread, so it may fork."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType

import psutil

from flows.management.supervisor.console import Console
from flows.management.supervisor.faults import StartError, StopRequested
from flows.management.supervisor.parts import Part, adopt_orphans, spawn

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Running:
    """A part with its process; `status` is None while it lives, else the exit status (minus the signal that ended it)."""

    part: Part
    pid: int
    output: int | None
    status: int | None = None
    held_back: bytes = b""

    def describe_end(self) -> str:
        """Say how the process ended."""
        if self.status is not None and self.status < 0:
            return f"was ended by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"


class Supervisor:
    """
    Use it as a context manager: leaving it stops every part, the youngest first, and leaves no process behind.

    Between entering and leaving, INT, TERM and HUP are wishes to stop: the waiting methods raise StopRequested. A second one
    while stopping ends everything at once.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.running: list[Running] = []
        self._selector = selectors.DefaultSelector()
        self._stop_wishes = 0
        self._old_handlers: dict[signal.Signals, object] = {}
        self._alarm_read, self._alarm_write = os.pipe()

    def __enter__(self) -> Supervisor:
        adopt_orphans()
        for end in (self._alarm_read, self._alarm_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._alarm_write, warn_on_full_buffer=False)
        self._selector.register(self._alarm_read, selectors.EVENT_READ, None)
        for number in _STOP_SIGNALS:
            self._old_handlers[number] = signal.signal(number, self._note_stop_wish)
        # A handler of ours, even an empty one, makes the end of a child wake the loop.
        self._old_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop_all()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._old_handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]  # as it was given to us
            self._selector.close()
            os.close(self._alarm_read)
            os.close(self._alarm_write)

    def _note_stop_wish(self, number: int, frame: FrameType | None) -> None:
        self._stop_wishes += 1

    def start(self, part: Part) -> Running:
        """Start a part; its output goes to the console."""
        read_end, write_end = os.pipe()
        try:
            pid = spawn(part, write_end)
        finally:
            os.close(write_end)
        os.set_blocking(read_end, False)
        running = Running(part, pid, read_end)
        self._selector.register(read_end, selectors.EVENT_READ, running)
        self.running.append(running)
        return running

    def run_to_end(self, part: Part) -> None:
        """Start a part that does one thing, and wait for its end. Raises StartError when it fails."""
        running = self.start(part)
        while running.status is None:
            self._turn(0.5, mortal=running)
        self._drain(running)
        self.running.remove(running)
        if running.status:
            self.console.feed(part.name, running.held_back + b"\n")
            raise StartError("setup-failed", f'The step "{part.name}" {running.describe_end()}: the log above says why.')

    def wait_ready(self, running: Running, *, within: float) -> None:
        """Wait until the part says that it is ready. Raises StartError when it dies or takes longer."""
        self.wait_for(
            running.part.is_ready or (lambda: True), within=within, what=f'The part "{running.part.name}" did not become ready'
        )

    def wait_for(self, check: Callable[[], bool], *, within: float, what: str) -> None:
        """Wait until `check` holds. Raises StartError, beginning with `what`, when it takes longer, or when a part dies."""
        deadline = time.monotonic() + within
        while not check():
            if time.monotonic() > deadline:
                raise StartError("start-too-slow", f"{what} within {within:g} s: the log above may say why.")
            self._turn(0.02)

    def run(self) -> None:
        """Pass output on until somebody asks to stop (StopRequested) or a part dies (StartError)."""
        while True:
            self._turn(None)

    def _turn(self, wait: float | None, *, mortal: Running | None = None) -> None:
        """Handle what happened, at most `wait` seconds long; `mortal` may end."""
        self._check_stop_wish()
        self._handle_events(wait)
        self._check_stop_wish()
        for running in self.running:
            if running.status is not None and running is not mortal:
                self._drain(running)
                raise StartError(
                    "part-died",
                    f'The part "{running.part.name}" {running.describe_end()}, so the others are stopped too. The log above says '
                    "why; when it is mended, start again: nothing is lost.",
                )

    def _check_stop_wish(self) -> None:
        if self._stop_wishes:
            raise StopRequested

    def _handle_events(self, wait: float | None) -> None:
        for key, _ in self._selector.select(wait):
            if key.data is None:
                while _read(self._alarm_read):
                    pass
            else:
                self._pass_on(key.data)
        self._reap()

    def _pass_on(self, running: Running) -> bool:
        if running.output is None:
            return False
        data = _read(running.output)
        if data:
            if running.part.is_quiet:
                running.held_back += data
            else:
                self.console.feed(running.part.name, data, running.part.muted)
            return True
        if data == b"":
            self._selector.unregister(running.output)
            os.close(running.output)
            running.output = None
            self.console.finish(running.part.name)
        return False

    def _drain(self, running: Running) -> None:
        while self._pass_on(running):
            pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for running in self.running:
                if running.pid == pid:
                    running.status = os.waitstatus_to_exitcode(status)

    def stop_all(self) -> None:
        """
        Stop every part, the youngest first: no part outlives a server that it uses. Then end whatever they left behind. Safe to
        call twice.
        """
        asked_before = self._stop_wishes
        stages: dict[str, list[Running]] = {}
        for running in reversed(self.running):
            stage = running.part.name if running.part.name in ("postgres", "valkey") else "ours"
            stages.setdefault(stage, []).append(running)
        for members in stages.values():
            self._stop_together(members, asked_before)
        self.running.clear()
        self._end_orphans()

    def _stop_together(self, members: list[Running], asked_before: int) -> None:
        for running in members:
            _send(running, running.part.stop_signal)
        started = time.monotonic()
        while alive := [running for running in members if running.status is None]:
            for running in alive:
                is_over = time.monotonic() - started > running.part.grace_seconds
                if is_over or self._stop_wishes > asked_before:
                    # PostgreSQL keeps what it has promised also when it is killed; the next start recovers it.
                    self.console.say(f'The part "{running.part.name}" did not end in time and is killed.')
                    _send_to_group(running, signal.SIGKILL)
                    running.part = _without_grace(running.part)
            self._handle_events(0.05)
        for running in members:
            self._drain(running)
            if running.output is not None:
                self._selector.unregister(running.output)
                os.close(running.output)
                running.output = None

    def _end_orphans(self) -> None:
        deadline = time.monotonic() + 5
        while (orphans := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
            for orphan in orphans:
                try:
                    orphan.kill()
                except psutil.NoSuchProcess:
                    continue
            self._handle_events(0.05)


def _read(descriptor: int) -> bytes | None:
    """Return what is there, b"" at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None


def _send(running: Running, number: signal.Signals) -> None:
    if running.status is None:
        os.kill(running.pid, number)


def _send_to_group(running: Running, number: signal.Signals) -> None:
    if running.status is None:
        try:
            os.killpg(running.pid, number)
        except ProcessLookupError:
            # The process has not yet made the session of its own.
            os.kill(running.pid, number)


def _without_grace(part: Part) -> Part:
    return Part(name=part.name, argv=part.argv, body=part.body, grace_seconds=float("inf"))
