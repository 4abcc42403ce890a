"""A stream that is open when its right is taken away ends soon (S-42)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient

from flows import streams
from flows.api import sse
from flows.models import ApiToken, Binding, UserSession
from flows.operations.tokens import create_token

from .world import PASSWORD, Filled, add_person, fill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """A namespace with an execution that runs; rights are read anew with every look, so that no test waits ten seconds."""
    from flows.operations.roles import write_built_in_roles

    write_built_in_roles()
    monkeypatch.setattr(streams, "RIGHTS_SECONDS", 0.0)
    return fill("prod.a", "mark0x")


@pytest.fixture
def viewer(place: Filled) -> User:
    """Somebody who may look at executions of the namespace."""
    return add_person("viewer@example.org", "viewer", "prod.a")


def _basic() -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"viewer@example.org:{PASSWORD}".encode()).decode()}


def _do_and_let_go(take_away: Callable[[], Any]) -> None:
    take_away()
    # This thread outlives the test, and its connection would keep the test database from being dropped.
    connection.close()


async def _follow(path: str, headers: dict[str, str], take_away: Callable[[], Any], client: AsyncClient | None = None) -> bool:
    """Open a stream, take the right away once it runs, and tell whether it ended."""
    answer = await (client or AsyncClient()).get(path, headers=headers)
    assert answer.status_code == 200, answer.content
    frames: AsyncIterator[bytes] = answer.streaming_content
    try:
        async with asyncio.timeout(20):
            first = await anext(frames)
            assert first.startswith(b"id: ")
            await sync_to_async(_do_and_let_go)(take_away)
            async for _ in frames:
                pass
            return True
    except TimeoutError:
        return False
    finally:
        with contextlib.suppress(Exception):
            await frames.aclose()  # type: ignore[attr-defined]


_STREAMS = (
    "/api/v1/main/logs/{running}/follow",
    "/api/v1/main/executions/{running}/follow",
    "/api/v1/main/executions/{running}/follow-dependencies",
)


@pytest.mark.parametrize("path", _STREAMS)
def test_a_stream_ends_when_the_role_is_taken_away(place: Filled, viewer: User, path: str) -> None:
    address = path.format(**place.names())

    assert asyncio.run(_follow(address, _basic(), lambda: Binding.objects.all().delete()))


@pytest.mark.parametrize("path", _STREAMS[:2])
def test_a_stream_that_has_nothing_to_look_at_ends_too(
    place: Filled, viewer: User, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "POLL_SECONDS", 60.0)
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.2)
    address = path.format(**place.names())

    assert asyncio.run(_follow(address, _basic(), lambda: Binding.objects.all().delete()))


@pytest.mark.parametrize("path", _STREAMS[:1])
def test_a_stream_ends_when_the_account_is_closed(place: Filled, viewer: User, path: str) -> None:
    address = path.format(**place.names())

    assert asyncio.run(_follow(address, _basic(), lambda: User.objects.update(is_active=False)))


def test_a_stream_ends_when_its_token_is_revoked(place: Filled, viewer: User) -> None:
    from django.utils import timezone

    made = create_token(viewer, name="ci", at=timezone.now())
    address = _STREAMS[0].format(**place.names())

    assert asyncio.run(_follow(address, {"authorization": f"Bearer {made.text}"}, lambda: ApiToken.objects.all().delete()))


def test_a_stream_ends_when_its_session_is_ended(place: Filled, viewer: User) -> None:
    client = AsyncClient()
    client.force_login(viewer)
    address = _STREAMS[0].format(**place.names())

    assert asyncio.run(_follow(address, {}, lambda: UserSession.objects.all().delete(), client))
