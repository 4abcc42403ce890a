"""A sign of life for parts without an address: they touch a file, and `python -m` of this module says whether they still do."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

LONGEST_SILENCE_SECONDS = 30.0


def mark_alive() -> None:
    """Touch the file that CELESTRA_ALIVE_FILE names; without the variable, do nothing."""
    if path := os.environ.get("CELESTRA_ALIVE_FILE"):
        Path(path).touch()


def main() -> int:
    """Return 0 when the file was touched lately, else 1 with the reason on standard error."""
    path = os.environ.get("CELESTRA_ALIVE_FILE")
    if not path:
        print("CELESTRA_ALIVE_FILE is not set: name the file that the part touches.", file=sys.stderr)
        return 2
    try:
        silence = time.time() - Path(path).stat().st_mtime
    except FileNotFoundError:
        print(f"{path} does not exist: the part has not begun to work.", file=sys.stderr)
        return 1
    if silence > LONGEST_SILENCE_SECONDS:
        print(f"No sign of life for {silence:.0f} s.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
