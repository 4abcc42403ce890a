"""Sizes as operators write them, such as 512MiB."""

from __future__ import annotations

import re
from typing import Any

from flows.plugin_api.tasks import TaskFailure

_SIZE = re.compile(r"(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)i?b?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def read_size(value: Any, name: str) -> int | None:
    """
    Return the bytes that `value` means: a number, or text such as `512MB` (units are powers of 1024); None when unset.

    Raises:
        TaskFailure: the text is no size; `name` is the setting or property that the message names.
    """
    if value is None or value == "":
        return None
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise TaskFailure(f'"{name}" must be a size such as 512MB; got "{value}".', permanent=True)
    return int(float(match["count"]) * _FACTORS[match["unit"].lower()])
