"""Who somebody is: the password with its delays, and whether a second factor is due. Sessions: `sessions.py`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest

from flows.models import Account, AuditEntry
from flows.operations.account_rows import account_of
from flows.operations.second_factor import is_enabled, is_required, use_code
from flows.operations.sessions import record_sign_in
from flows.operations.throttle import throttle
from flows.primitives.callers import Door
from flows.primitives.errors import FlowsError, ForbiddenError

LONGEST_CREDENTIAL = 256


class SecondStep(StrEnum):
    """What is due after the right password."""

    NONE = "NONE"
    CODE = "CODE"
    ENROL = "ENROL"


class WrongCredentialsError(ForbiddenError):
    """The user name or the password is wrong."""

    code = "wrong-credentials"


class TooManyTriesError(FlowsError):
    """Somebody guesses. `wait_seconds` is how long the next try has to wait."""

    code = "too-many-tries"

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"Too many tries. Wait {int(wait_seconds) + 1} seconds and try again.")
        self.wait_seconds = wait_seconds


def verify_password(name: str, password: str, *, address: str, door: Door, request: HttpRequest | None = None) -> User:
    """
    Return the person with this name, an e-mail address in any letter case, and password.

    Raises:
        WrongCredentialsError: one of them is wrong, or the account is disabled; nothing tells which, nor how long it took.
        TooManyTriesError: too many wrong guesses for this name from this address.

    Source: security, S-06.
    """
    wait = throttle.seconds_to_wait(name, address)
    if wait > 0:
        raise TooManyTriesError(wait)
    user = None
    if "\0" not in name + password and len(name) <= LONGEST_CREDENTIAL and len(password) <= LONGEST_CREDENTIAL:
        # Without a user, or one without a password, the hasher works as long as with one, so time tells nothing.
        user = authenticate(request=request, username=_spelling_of(name), password=password)
    if not isinstance(user, User) or account_of(user).kind != Account.Kind.PERSON:
        throttle.add_failure(name, address)
        record_sign_in(name, door=door, address=address, method="password", result=AuditEntry.Result.DENIED)
        raise WrongCredentialsError("The user name or the password is wrong.")
    throttle.forget(name, address)
    return user


def _spelling_of(name: str) -> str:
    """Return a name as it is stored; names that old installations took with capitals keep them."""
    stored = User.objects.filter(username__iexact=name.strip()).values_list("username", flat=True)[:2]
    found = list(stored)
    return found[0] if len(found) == 1 else name


def next_step(user: User) -> SecondStep:
    """Return what is due after the right password."""
    if is_enabled(user):
        return SecondStep.CODE
    return SecondStep.ENROL if is_required(user) else SecondStep.NONE


def verify_code(user: User, code: str, *, address: str, door: Door, at: datetime) -> None:
    """
    Let the person pass whose one-time code or recovery code is right.

    Raises:
        WrongCredentialsError: the code is wrong, too old, or was used before.
        TooManyTriesError: too many wrong codes for this account from this address.
    """
    key = f"code of {user.get_username()}"
    wait = throttle.seconds_to_wait(key, address)
    if wait > 0:
        raise TooManyTriesError(wait)
    if not use_code(user, code[:40], at=at):
        throttle.add_failure(key, address)
        record_sign_in(user.get_username(), door=door, address=address, method="second-factor", result=AuditEntry.Result.DENIED)
        raise WrongCredentialsError("The code is wrong, too old, or was used already.", code="second-factor-wrong")
    throttle.forget(key, address)
