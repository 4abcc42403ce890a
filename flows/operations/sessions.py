"""Browsers that are signed in: opening, listing and ending sessions."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from flows.models import AuditEntry, UserSession
from flows.operations.account_acts import act_on_account
from flows.operations.acts import Act, record
from flows.operations.session_store import ADDRESS, AGENT, SessionStore, digest_of
from flows.primitives.callers import Caller, CallerKind, Door, acting_as
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import EVERYWHERE, Action, Resource

BACKEND = "django.contrib.auth.backends.ModelBackend"
_PUBLIC_LETTERS = 16


def open_session(request: HttpRequest, user: User, *, door: Door, method: str) -> None:
    """
    Sign a browser in under a new session key.

    Args:
        method: how the person was recognised, for the audit log: `password`, `second-factor` or `oidc`.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    login(request, user, backend=BACKEND)
    request.session[ADDRESS] = address
    request.session[AGENT] = str(request.META.get("HTTP_USER_AGENT", ""))[:200]
    SessionStore.clear_expired()
    record_sign_in(user.get_username(), door=door, address=address, method=method, result=AuditEntry.Result.DONE)


def close_session(request: HttpRequest, *, door: Door) -> None:
    """Sign a browser out."""
    name = request.user.get_username()
    logout(request)
    if name:
        caller = Caller(name, CallerKind.PERSON, door, address=str(request.META.get("REMOTE_ADDR", "")))
        with acting_as(caller):
            record("session.close", Action.DELETE, Resource.USER, EVERYWHERE, Act(name), AuditEntry.Result.DONE)


def record_sign_in(name: str, *, door: Door, address: str, method: str, result: str) -> None:
    """Write one row of the audit log about somebody who signed in or was refused. Source: security, S-34."""
    name = "".join(letter for letter in name[:254] if letter.isprintable())
    with acting_as(Caller(name, CallerKind.PERSON, door, address=address)):
        record("session.open", Action.CREATE, Resource.USER, EVERYWHERE, Act(name, after={"by": method}), result)


def list_sessions(user: User, *, at: datetime) -> list[UserSession]:
    """Return the live sessions of an account, the latest use first."""
    return list(UserSession.objects.filter(user=user, ends_at__gt=at, idle_until__gt=at).order_by("-seen_at", "pk"))


def public_id(session: UserSession) -> str:
    """Return the name of a session for addresses; it opens nothing."""
    return str(session.digest)[:_PUBLIC_LETTERS]


def is_session_of(session: UserSession, key: str | None) -> bool:
    """Tell whether a row is the session with this key."""
    return bool(key) and session.digest == digest_of(str(key))


def revoke_session(user: User, session_id: str) -> None:
    """End one session of an account at once. Raises NotFoundError."""
    rows = UserSession.objects.filter(user=user, digest__startswith=session_id)
    if len(session_id) != _PUBLIC_LETTERS or not rows.exists():
        raise NotFoundError(f'There is no session "{session_id[:60]}".', code="session-not-found")
    with act_on_account(user, "session.revoke", action=Action.DELETE):
        rows.delete()


def revoke_sessions(user: User, *, keep: str = "") -> int:
    """End all sessions of an account but the one with the key `keep`; return how many there were."""
    with act_on_account(user, "session.revoke-all", action=Action.DELETE) as doing:
        count = end_sessions(user, keep=keep)
        doing.after = {"sessions": count}
    return count


def end_sessions(user: User, *, keep: str = "") -> int:
    """End sessions as a part of another act: a changed password, a disabled account."""
    rows = UserSession.objects.filter(user=user, ends_at__gt=timezone.now())
    if keep:
        rows = rows.exclude(pk=digest_of(keep))
    count, _ = rows.delete()
    return count
