"""Looking at the processes of this machine, to see whether a script still runs."""

from __future__ import annotations

from pathlib import Path


def is_running(*words: str) -> bool:
    """Tell whether some process has exactly these words as its command line."""
    wanted = b"".join(word.encode() + b"\0" for word in words)
    return any(_command_line(folder) == wanted for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _command_line(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        # It ended between the listing and the look.
        return b""
