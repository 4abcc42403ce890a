"""Values as the database can store them: it knows neither the NUL character nor half surrogate pairs nor infinite numbers."""

from __future__ import annotations

import math
from typing import Any


def make_storable(value: Any) -> Any:
    """Return a JSON value without NUL characters; lone surrogates become question marks, infinite numbers null."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {make_storable(key): make_storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [make_storable(item) for item in value]
    return value
