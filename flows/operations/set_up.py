"""The first start: making the first owner, once. The token for it is derived from the secret key and stored nowhere."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from flows.conf import get_settings
from flows.models import Account, AuditEntry
from flows.operations.accounts import insert_user, normalise_name
from flows.operations.acts import Act, record
from flows.operations.passwords import check_basic_password, check_password_strength
from flows.primitives.callers import Caller, CallerKind, Door, acting_as
from flows.primitives.errors import ConflictError, ForbiddenError
from flows.primitives.rights import EVERYWHERE, Action, Resource

_LOCK_NUMBER = 0x43454C53
_MARK = "installation"
_PROXY_HEADERS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_VIA")


def is_set_up() -> bool:
    """
    Tell whether the first owner was made. It stays so even when all accounts are deleted: the audit log remembers.

    Source: security, S-05.
    """
    return User.objects.exists() or _marks().exists()


def _marks() -> Any:
    return AuditEntry.objects.filter(resource=Resource.SETTING, namespace=EVERYWHERE, object_id=_MARK, what="installation.set-up")


def make_setup_token() -> str:
    """Return the token that opens the set-up page; the same on all hosts with the same secret key."""
    return salted_hmac("flows.operations.set_up", "first owner", algorithm="sha256").hexdigest()[:40]


def is_local(headers: Mapping[str, Any]) -> bool:
    """
    Tell whether a request comes from this very host, and neither through a proxy, which would make all callers look so, nor
    from a page of another site in a browser on this host.

    Args:
        headers: `request.META`.
    """
    host = str(headers.get("HTTP_HOST", "")).rpartition(":")[0] or str(headers.get("HTTP_HOST", ""))
    if any(headers.get(name) for name in _PROXY_HEADERS) or _is_of_another_site(headers):
        return False
    return _is_loopback(str(headers.get("REMOTE_ADDR", ""))) and (host == "localhost" or _is_loopback(host.strip("[]")))


def _is_of_another_site(headers: Mapping[str, Any]) -> bool:
    origin = headers.get("HTTP_ORIGIN")
    if origin and urlsplit(str(origin)).netloc != str(headers.get("HTTP_HOST", "")):
        return True
    return str(headers.get("HTTP_SEC_FETCH_SITE") or "none") not in ("none", "same-origin")


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def needs_token(headers: Mapping[str, Any]) -> bool:
    """Tell whether a caller must show the token. Source: security, 0b."""
    return get_settings().setup_needs_token and not is_local(headers)


def make_first_owner(name: str, password: str, *, token: str, headers: Mapping[str, Any], door: Door, at: datetime) -> User:
    """
    Make the first account, an owner. Works once; of two callers at the same moment one wins.

    Args:
        token: what the server log shows; not looked at where `needs_token` says no.
        headers: `request.META`.

    Raises:
        ConflictError: the installation is set up already.
        ForbiddenError: the token is missing or wrong.
        InvalidError: no e-mail address, or a weak password.

    Source: security, S-05 and 0b.
    """
    if is_set_up():
        raise _closed()
    if needs_token(headers) and not hmac.compare_digest(token.strip().encode(), make_setup_token().encode()):
        raise ForbiddenError("The set-up token is missing or wrong. The log of the server shows it.", code="setup-token")
    name = normalise_name(name)
    user = User(username=name, email=name, is_superuser=True, is_staff=True)
    if door is Door.API:
        check_basic_password(password)
    else:
        check_password_strength(password, user)
    user.set_password(password)
    caller = Caller(name, CallerKind.PERSON, door, address=str(headers.get("REMOTE_ADDR", ""))[:45])
    with acting_as(caller), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
        if is_set_up():
            raise _closed()
        insert_user(user, Account.Kind.PERSON, at=at)
        doing = Act(_MARK, after={"owner": name})
        record("installation.set-up", Action.CREATE, Resource.SETTING, EVERYWHERE, doing, AuditEntry.Result.DONE)
    return user


def _closed() -> ConflictError:
    return ConflictError("This installation is set up. Sign in, or ask an owner for an account.", code="account-exists")
