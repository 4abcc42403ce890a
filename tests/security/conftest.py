"""What the tests of rights share: a fresh memory of the process, and callers of the API."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from django.core.cache import cache as page_cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from flows.api import limits
from flows.api.auth import verified_credentials
from flows.engine.catalog import forget_flows
from flows.models import ApiToken

from .world import AT, PASSWORD

Send = Callable[..., Any]


@pytest.fixture(autouse=True)
def _fresh_memory() -> None:
    """Nothing that a process remembers of another test's rows may be used."""
    forget_flows()
    page_cache.clear()
    verified_credentials.clear()
    limits.passwords.clear()
    limits.webhook_keys.clear()


@cache
def _make_client() -> Client:
    return Client()


def share_client() -> Client:
    """Return the one client of all tests without anybody's cookies; loading the middleware again each time takes long."""
    client = _make_client()
    client.cookies.clear()
    return client


class ApiCaller:
    """Sends calls of `tests.security.routes` with the password of one person."""

    def __init__(self, name: str) -> None:
        self.headers = {"authorization": "Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()}

    def send(self, method: str, path: str, *, form: dict[str, Any] | None = None, data: Any = b"", content_type: str = "") -> Any:
        """Send one call; a form is sent as multipart, with files as pairs of name and text."""
        address = path if path.startswith(("/api/", "/ui")) else f"/api/v1/main{path}"
        if form is not None:
            fields = {
                key: SimpleUploadedFile(value[0], value[1].encode()) if isinstance(value, tuple) else value
                for key, value in form.items()
            }
            return share_client().post(address, fields, headers=self.headers)
        return share_client().generic(method, address, data=data, content_type=content_type, headers=self.headers)


def read_body(answer: Any) -> bytes:
    """Return the whole content of an answer, a streamed one included; a stream of events gives nothing."""
    if not answer.streaming:
        return bytes(answer.content)
    if answer.is_async:
        return b""
    # The test client closes the answer at the end of its content, without the database connection that a test needs.
    return b"".join(answer.streaming_content)


def make_token(user: Any, *, can_write: bool = True, namespaces: tuple[str, ...] = ()) -> ApiToken:
    """Return an API token that is not stored; it narrows the rights of its person."""
    return ApiToken(user=user, name="ci", can_write=can_write, namespaces=list(namespaces), created_at=AT)
