"""Parts of a page that may fail alone: the rest of the page is shown, and the part says what happened."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.db import DatabaseError

from flows.primitives.errors import FlowsError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a part of a page is missing, and the id under which the log of the server has the details."""

    message: str
    request_id: str


def guard(make: Callable[[], T]) -> T | Fault:
    """Return what `make` gives, or why it could not: a value that does not fit, or a database that does not answer."""
    try:
        return make()
    except FlowsError as error:
        return _note(error, error.message)
    except DatabaseError as error:
        return _note(error, "The database could not answer this part.")


def _note(error: Exception, message: str) -> Fault:
    request_id = secrets.token_hex(6)
    log.warning("ui.panel_failed", extra={"correlation": request_id}, exc_info=error)
    return Fault(message, request_id)
