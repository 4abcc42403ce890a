"""Which passwords are good enough, and changing them. Whether one is right: `sign_in.py`."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import CommonPasswordValidator, validate_password
from django.core.exceptions import ValidationError

from flows.models import Account
from flows.operations.account_acts import act_on_account
from flows.operations.sessions import end_sessions
from flows.primitives.callers import CallerKind, current_caller
from flows.primitives.errors import ConflictError, ForbiddenError, InvalidError

LONGEST_PASSWORD = 256


def check_password_strength(password: str, user: User | None = None) -> None:
    """
    Raise InvalidError with every reason why a password is too weak: fewer than 12 characters, a common one, or like the name.

    Source: security, S-06.
    """
    if len(password) > LONGEST_PASSWORD or "\0" in password:
        raise InvalidError(f"A password has at most {LONGEST_PASSWORD} characters.", code="password-too-long")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidError(" ".join(error.messages), code="password-weak") from error


def check_basic_password(password: str) -> None:
    """
    Raise InvalidError when a password breaks the rule of the basic account: 8 characters or more, with a capital, a small
    letter and a digit, and no common one. It holds only where clients of the other product make the first account.

    Source: security, 0b; REST API, 3.
    """
    faults = []
    if not 8 <= len(password) <= LONGEST_PASSWORD or "\0" in password:
        faults.append("Password must be at least 8 characters long and at most 256.")
    if not all(any(test(letter) for letter in password) for test in (str.isupper, str.islower, str.isdigit)):
        faults.append("Password must contain at least one uppercase letter, one lowercase letter and one number.")
    try:
        CommonPasswordValidator().validate(password)
    except ValidationError as error:
        faults += error.messages
    if faults:
        raise InvalidError(" ".join(faults), code="password-weak")


def change_own_password(user: User, *, old: str, new: str, keep_session: str = "") -> None:
    """
    Give a person another password, after the old one was shown to be known. All their other sessions end.

    Args:
        keep_session: key of the session in which this happens.

    Raises:
        ForbiddenError: the old password is wrong, or the account has none.
        InvalidError: the new one is too weak.
    """
    if not user.check_password(old):
        raise ForbiddenError("The present password is wrong.", code="password-wrong")
    if old == new:
        raise InvalidError("The new password is the same as the old one.", code="password-same")
    _store(user, new, "password.change", keep_session)


def set_password(user: User, password: str) -> None:
    """
    Give an account another password without knowing the old one, for example because it was forgotten. All sessions end.

    Raises:
        ForbiddenError: the caller has no right to people, has fewer rights than the account, or asks for the own account.
        ConflictError: a service account, which has no password.
        InvalidError: the password is too weak.
    """
    caller = current_caller()
    if caller.user_id == user.pk and caller.kind is not CallerKind.PLATFORM:
        raise ForbiddenError(
            "Change your own password on the page of your account: it asks for the present one.", code="own-password"
        )
    _store(user, password, "password.set", "")


def _store(user: User, password: str, what: str, keep_session: str) -> None:
    if is_service(user):
        raise ConflictError(
            f'"{user.get_username()}" is a service account: it has tokens and no password.', code="service-account"
        )
    with act_on_account(user, what):
        check_password_strength(password, user)
        user.set_password(password)
        user.save(update_fields=["password"])
        end_sessions(user, keep=keep_session)


def is_service(user: User) -> bool:
    """Tell whether an account is that of a program."""
    return Account.objects.filter(user=user, kind=Account.Kind.SERVICE).exists()
