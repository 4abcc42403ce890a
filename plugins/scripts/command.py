"""What is to be run and what came of it, as values: the words between a script task and the runner that executes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a script may use at most; None means that only the host limits it. Sizes in bytes."""

    memory: int | None = None
    cpu_seconds: int | None = None
    file_size: int | None = None
    processes: int | None = None
    kill_grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """
    One program to run: `argv` without any shell of ours, the complete environment, and its working directory.

    `python_file` is set when `argv` comes to no more than running this file with the Python that runs us, which a runner may do
    in any way that looks the same to the script.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    workdir: Path
    image: str | None = None
    limits: Limits = field(default_factory=Limits)
    python_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """
    How a command ended. `exit_code` is 128 + signal when a signal ended it.

    `reason` is empty for an ordinary end, otherwise a full sentence: timeout, kill, memory, program not found. `facts` are
    runner specific.
    """

    exit_code: int
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def is_shell(interpreter: Sequence[str]) -> bool:
    """Tell whether `interpreter` is a POSIX shell that takes its program as text (`/bin/sh -c`)."""
    return len(interpreter) > 1 and Path(interpreter[0]).name in _SHELLS and interpreter[-1] in {"-c", "-ec", "-lc", "-xc"}


def build_argv(
    interpreter: Sequence[str], lines: Sequence[str], *, fail_fast: bool, folder: Path, line_end: str = "\n"
) -> list[str]:
    """
    Return the argument list that runs `lines`, joined, under `interpreter`.

    The text of a shell goes into a file of `folder` that only this user may read: an argument list can be seen by every user
    of the host, and the lines may hold rendered secrets. Other interpreters get the text as their last argument.

    Source: core tasks, 10.2 (`interpreter`, `failFast`); security, S-32.
    """
    if not is_shell(interpreter):
        return [*interpreter, line_end.join(lines)]
    text = line_end.join(["set -e", *lines] if fail_fast else lines) + line_end
    path = folder / "commands.sh"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    option = interpreter[-1].replace("c", "")
    return [*interpreter[:-1], *([option] if option != "-" else []), str(path)]


def quote(path: Path | str) -> str:
    """Return `path` as one word of a shell command."""
    return shlex.quote(str(path))
