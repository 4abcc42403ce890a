"""The store behind the session cookie: rows under the digest of the cookie's key, with a limit for idling and one for all."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError, transaction
from django.utils import timezone

from flows.conf import get_settings
from flows.models import UserSession

ADDRESS, AGENT = "_address", "_agent"
SEEN_EVERY = timedelta(minutes=1)
ROTATION_GRACE = timedelta(seconds=15)
"""How long an old key still works after a rotation, for requests that were already on their way."""


class SessionStore(SessionBase):
    """
    Django's session over `UserSession`. A row that was deleted stays so: saving never brings a revoked session back.

    Source: security, S-07.
    """

    def exists(self, session_key: str) -> bool:
        """Tell whether a key is taken."""
        return UserSession.objects.filter(pk=digest_of(session_key)).exists()

    def create(self) -> None:
        """Begin an empty session with a key of its own."""
        while True:
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # Django's own
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        """
        Store the session.

        Raises:
            CreateError: the key is taken already.
            UpdateError: the session was revoked meanwhile.
        """
        if self.session_key is None:
            return self.create()
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # Django's own
        values = {
            "data": self.encode(data),
            "user_id": data.get(SESSION_KEY),
            "address": str(data.get(ADDRESS, ""))[:45],
            "agent": str(data.get(AGENT, ""))[:200],
        }
        digest = digest_of(self.session_key)
        if must_create:
            try:
                with transaction.atomic():
                    UserSession.objects.create(digest=digest, **_lifetime(timezone.now()), **values)
            except IntegrityError as error:
                raise CreateError from error
        elif not UserSession.objects.filter(pk=digest).update(**values):
            raise UpdateError
        return None

    def load(self) -> dict[str, Any]:
        """Return what the session holds, empty when there is none, or when it ended."""
        at = timezone.now()
        row = self._find_row(at)
        if row is None:
            self._session_key = None
            return {}
        data: dict[str, Any] = self.decode(row.data)
        if row.must_rotate:
            self._rotate(row, at)
        elif at - row.seen_at >= SEEN_EVERY:
            UserSession.objects.filter(pk=row.pk).update(seen_at=at, idle_until=_idle_until(at))
        return data

    def _find_row(self, at: datetime) -> UserSession | None:
        if not self.session_key:
            return None
        return UserSession.objects.filter(pk=digest_of(self.session_key), ends_at__gt=at, idle_until__gt=at).first()

    def _rotate(self, row: UserSession, at: datetime) -> None:
        old = row.pk
        with transaction.atomic():
            # Only one of several requests at once gets the new key; the others end with the old one.
            claimed = UserSession.objects.filter(pk=old, must_rotate=True)
            if not claimed.update(must_rotate=False, ends_at=min(row.ends_at, at + ROTATION_GRACE)):
                return
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # Django's own
            row.pk, row.must_rotate, row.seen_at, row.idle_until = digest_of(self.session_key or ""), False, at, _idle_until(at)
            row.save(force_insert=True)
        self.modified = True

    def delete(self, session_key: str | None = None) -> None:
        """End a session, this one when no key is given."""
        key = session_key or self.session_key
        if key:
            UserSession.objects.filter(pk=digest_of(key)).delete()

    @classmethod
    def clear_expired(cls) -> None:
        """Delete the rows of sessions that ended."""
        at = timezone.now()
        UserSession.objects.filter(ends_at__lte=at).delete()
        UserSession.objects.filter(idle_until__lte=at).delete()


def digest_of(key: str) -> str:
    """Return the digest under which a session lies; a key is random, so a fast hash keeps it safe at rest."""
    return hashlib.sha256(key.encode()).hexdigest()


def _idle_until(at: datetime) -> datetime:
    return at + timedelta(seconds=get_settings().session_idle_seconds)


def _lifetime(at: datetime) -> dict[str, datetime]:
    return {
        "started_at": at,
        "seen_at": at,
        "idle_until": _idle_until(at),
        "ends_at": at + timedelta(seconds=get_settings().session_longest_seconds),
    }
