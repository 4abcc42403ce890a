"""Browsers that are signed in: their cookie, their end, and being signed out from elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client
from django.utils import timezone

from flows.models import UserSession
from flows.operations import passwords, sessions
from flows.operations.session_store import ROTATION_GRACE, SessionStore, digest_of
from flows.primitives.errors import ForbiddenError, NotFoundError
from tests.accounts.conftest import PASSWORD, As

pytestmark = pytest.mark.django_db
COOKIE = settings.SESSION_COOKIE_NAME


def _sign_in(user: User, **extra: Any) -> Client:
    client = Client(**extra)
    answer = client.post("/ui/login", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def _is_in(client: Client) -> bool:
    return client.get("/ui/account").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(charlie: User) -> None:
    cookie = _sign_in(charlie).cookies[COOKIE]

    assert cookie["httponly"] and cookie["samesite"] == "Lax" and not cookie["domain"] and cookie["path"] == "/"


def test_the_database_does_not_know_the_key_of_the_cookie(charlie: User) -> None:
    key = _sign_in(charlie).cookies[COOKIE].value
    row = UserSession.objects.get(user=charlie)

    assert row.digest == digest_of(key) and key not in f"{row.digest}{row.data}"


def test_signing_in_notes_where_and_with_what(charlie: User) -> None:
    _sign_in(charlie, REMOTE_ADDR="192.0.2.9", headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    row = UserSession.objects.get(user=charlie)

    assert (row.address, row.agent) == ("192.0.2.9", "Mozilla/5.0 (X11; Linux) Firefox/140.0")


def test_a_key_from_before_signing_in_is_not_taken_over(charlie: User) -> None:
    """Somebody who plants a key in a browser must not find it signed in."""
    client = Client()
    planted = SessionStore()
    planted.create()
    client.cookies[COOKIE] = planted.session_key
    client.post("/ui/login", {"username": charlie.username, "password": PASSWORD})

    attacker = Client()
    attacker.cookies[COOKIE] = planted.session_key
    assert _is_in(client) and not _is_in(attacker)


@pytest.mark.parametrize("column", ["idle_until", "ends_at"])
def test_a_session_ends_by_idling_and_by_age(charlie: User, column: str) -> None:
    client = _sign_in(charlie)
    assert _is_in(client)
    UserSession.objects.update(**{column: timezone.now() - timedelta(seconds=1)})

    assert not _is_in(client)


def test_use_moves_the_end_of_idling_and_never_the_last_end(charlie: User) -> None:
    client = _sign_in(charlie)
    before = UserSession.objects.get()
    UserSession.objects.update(seen_at=before.seen_at - timedelta(minutes=5), idle_until=before.idle_until - timedelta(minutes=5))
    assert _is_in(client)
    after = UserSession.objects.get()

    assert after.idle_until >= before.idle_until and after.ends_at == before.ends_at


def test_a_changed_password_ends_all_other_sessions(charlie: User) -> None:
    here, there = _sign_in(charlie), _sign_in(charlie)
    old_key = here.cookies[COOKIE].value
    new = "another long phrase"
    here.post("/ui/account/act/password", {"old": PASSWORD, "new": new, "again": new})

    assert (_is_in(here), _is_in(there)) == (True, False)
    assert here.cookies[COOKIE].value != old_key


def test_a_password_that_somebody_else_set_ends_all_sessions(olive: User, charlie: User, acting: As) -> None:
    client = _sign_in(charlie)
    with acting(olive):
        passwords.set_password(charlie, "another long phrase")

    assert not _is_in(client)


def test_a_person_lists_and_ends_the_own_sessions(charlie: User, acting: As) -> None:
    here, there = _sign_in(charlie), _sign_in(charlie)
    rows = sessions.list_sessions(charlie, at=timezone.now())
    other = next(row for row in rows if sessions.is_session_of(row, there.cookies[COOKIE].value))
    here.post("/ui/account/act/session-revoke", {"id": sessions.public_id(other)})

    assert len(rows) == 2
    assert (_is_in(here), _is_in(there)) == (True, False)


def test_nobody_ends_the_sessions_of_somebody_else_without_the_right(alice: User, charlie: User, acting: As) -> None:
    client = _sign_in(charlie)
    session_id = sessions.public_id(UserSession.objects.get(user=charlie))
    with acting(alice):
        with pytest.raises(NotFoundError):
            sessions.revoke_session(alice, session_id)
        with pytest.raises(ForbiddenError):
            sessions.revoke_sessions(charlie)

    assert _is_in(client)


@pytest.mark.parametrize("session_id", ["", "a", "%", "0" * 16, "0" * 64])
def test_an_unknown_session_is_not_found(charlie: User, acting: As, session_id: str) -> None:
    _sign_in(charlie)
    with acting(charlie), pytest.raises(NotFoundError):
        sessions.revoke_session(charlie, session_id)


def test_saving_does_not_bring_a_revoked_session_back(charlie: User) -> None:
    client = _sign_in(charlie)
    store = SessionStore(client.cookies[COOKIE].value)
    store["a"] = "b"
    UserSession.objects.all().delete()

    with pytest.raises(UpdateError):
        store.save()

    assert UserSession.objects.count() == 0


def test_a_rotated_key_still_serves_requests_on_their_way(charlie: User) -> None:
    client = _sign_in(charlie)
    old = client.cookies[COOKIE].value
    UserSession.objects.update(must_rotate=True)
    assert _is_in(client)
    late = Client()
    late.cookies[COOKIE] = old
    assert _is_in(late)
    UserSession.objects.filter(pk=digest_of(old)).update(ends_at=timezone.now() - ROTATION_GRACE)

    assert not _is_in(late) and _is_in(client)


def test_ended_sessions_are_cleared_away_with_the_next_sign_in(charlie: User) -> None:
    _sign_in(charlie)
    UserSession.objects.update(idle_until=timezone.now() - timedelta(days=1))
    _sign_in(charlie)

    assert UserSession.objects.count() == 1


def test_signing_out_ends_the_session_on_the_server(charlie: User) -> None:
    client = _sign_in(charlie)
    key = client.cookies[COOKIE].value
    client.post("/ui/logout")
    thief = Client()
    thief.cookies[COOKIE] = key

    assert not _is_in(thief)
