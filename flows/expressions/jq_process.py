"""
jq programs. Paths are evaluated in this process; anything that could loop or grow runs in a helper process that is bounded in
time and memory, sees no environment variables, and is ended when it does not answer.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import selectors
import struct
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import jq

from flows.expressions.arguments import bad_argument, bad_value
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.limits import MAX_TEXT_CHARACTERS, Budget, limit_error

ANSWER_SECONDS = 2.0
START_SECONDS = 20.0
MAX_PROGRAM_CHARACTERS = 20_000
# Only steps into a value, so that the work is at most proportional to its size.
_PATH_PROGRAM = re.compile(
    r"""\s*(?:\.(?:[A-Za-z_]\w*|"[^"\\]*")?(?:\[(?:\d{0,9}|"[^"\\]*")\]|\.[A-Za-z_]\w*|\."[^"\\]*"|\?)*
    (?:\s*\|\s*|\s*\Z))+\Z""",
    re.VERBOSE | re.ASCII,
)
_HELPER = Path(__file__).with_name("jq_helper.py")
_FORBIDDEN = re.compile(
    r"\b(?:import|include|input_filename|get_search_list|modulemeta|halt|halt_error)\b|\$__loc__|\$__prog_args"
)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def run_jq(budget: Budget, program: str, document: str) -> list[Any]:
    """
    Return all results of a jq program for a JSON document.

    Raises ExpressionError: bad_argument for a program that cannot be compiled, bad_value for a document that is no JSON or a
    program that fails on it, forbidden for programs that load modules, limit for one that takes too long or too much memory.
    """
    if len(program) > MAX_PROGRAM_CHARACTERS:
        raise limit_error("A jq program", f"{MAX_PROGRAM_CHARACTERS} characters")
    if "\0" in program or "\0" in document:
        raise bad_argument("A jq program and its input cannot contain the character with code 0.")
    if _FORBIDDEN.search(_STRING.sub('""', program)):
        raise ExpressionError(Kind.FORBIDDEN, "A jq program cannot load modules, read files or end the process.")
    budget.tick_many(20 + (len(document) >> 8))
    budget.spend(2 * len(document))
    if _PATH_PROGRAM.match(program):
        output = _run_here(program, document)
    else:
        started = monotonic()
        output = _HELPERS.run(program, document)
        budget.add_seconds(monotonic() - started)
    if len(output) > MAX_TEXT_CHARACTERS:
        raise limit_error("The results of a jq program", f"{MAX_TEXT_CHARACTERS} characters")
    budget.spend(4 * len(output))
    return [json.loads(line) for line in output.split("\n") if line]


@lru_cache(maxsize=256)
def _compile(program: str) -> Any:
    return jq.compile(program)


def _run_here(program: str, document: str) -> str:
    try:
        compiled = _compile(program)
    except ValueError as error:
        raise _explain("program", str(error)) from error
    try:
        output: str = compiled.input_text(document).text()
    except (ValueError, StopIteration) as error:
        raise _explain("run", str(error)) from error
    return output


def _explain(stage: str, message: str) -> ExpressionError:
    shown = " ".join(message.split())[:300]
    if stage == "program":
        return bad_argument(f"The jq program cannot be compiled: {shown}.")
    return bad_value(f"The jq program failed, or its input is not JSON: {shown}.")


class _Helper:
    """One helper process with its pipes. Messages are a length in four bytes and that many bytes of UTF-8."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        # Our own interpreter and file; nothing of a template reaches the command line.
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", str(_HELPER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        if self._read(monotonic() + START_SECONDS) != b"ready":
            self.end()
            raise ExpressionError(Kind.UNAVAILABLE, "The helper process for jq did not start. Look into the log of this server.")

    def ask(self, program: str, document: str) -> tuple[str, str]:
        """Return `(status, text)`. Raises limit when no answer comes in time; the process is ended then."""
        message = json.dumps([program, document]).encode()
        stream = self.process.stdin
        assert stream is not None
        try:
            stream.write(struct.pack(">I", len(message)) + message)
            stream.flush()
            answer = self._read(monotonic() + ANSWER_SECONDS)
        except OSError:
            answer = None
        if answer is None:
            self.end()
            raise limit_error("The time or memory that a jq program takes", f"{ANSWER_SECONDS:g} seconds and 256 MiB")
        status, text = json.loads(answer)
        return status, text

    def _read(self, deadline: float) -> bytes | None:
        header = self._read_exactly(4, deadline)
        return None if header is None else self._read_exactly(struct.unpack(">I", header)[0], deadline)

    def _read_exactly(self, count: int, deadline: float) -> bytes | None:
        stream = self.process.stdout
        assert stream is not None
        data = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while len(data) < count:
                if not selector.select(max(deadline - monotonic(), 0)):
                    return None
                piece = os.read(stream.fileno(), min(count - len(data), 1 << 20))
                if not piece:
                    return None
                data += piece
        return bytes(data)

    def end(self) -> None:
        """End the process and close its pipes."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue


class _Helpers:
    """Keeps one helper for this process, starts a new one after it was ended, and never shares one across a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._helper: _Helper | None = None

    def run(self, program: str, document: str) -> str:
        with self._lock:
            helper = self._helper
            if helper is None or helper.owner != os.getpid() or helper.process.poll() is not None:
                self._close_ended(helper)
                self._helper = helper = _Helper()
            try:
                status, text = helper.ask(program, document)
            except ExpressionError:
                self._helper = None
                raise
        if status != "ok":
            raise limit_error("The memory that a jq program takes", "256 MiB") if status == "limit" else _explain(status, text)
        return text

    def _close_ended(self, helper: _Helper | None) -> None:
        if helper is not None and helper.owner == os.getpid():
            helper.end()

    def close(self) -> None:
        """End the helper of this process, if there is one."""
        helper, self._helper = self._helper, None
        if helper is not None and helper.owner == os.getpid():
            helper.end()


_HELPERS = _Helpers()
atexit.register(_HELPERS.close)
os.register_at_fork(after_in_child=lambda: _HELPERS.__init__())  # type: ignore[misc]  # forgets the parent's helpers
