"""The second factor: one-time codes of an authenticator app (RFC 6238) and recovery codes. A code works once."""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import datetime

import pyotp
import segno
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.crypto import salted_hmac

from flows.conf import get_settings
from flows.models import Account
from flows.models.encryption import seal_text, unseal_text
from flows.operations.account_acts import act_on_account
from flows.operations.account_rows import account_of
from flows.operations.sessions import end_sessions
from flows.primitives.errors import ConflictError, ForbiddenError
from flows.primitives.rights import Action

ISSUER = "Celestra"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""How many steps the clock of a phone may be wrong, in both directions."""
RECOVERY_CODES = 10
_RECOVERY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 10


def make_secret() -> str:
    """Return a new key of 160 random bits in base 32, as authenticator apps take it."""
    return pyotp.random_base32(length=32)


def seal_secret(user: User, secret: str) -> str:
    """Return the key encrypted, for this account only."""
    return seal_text(secret, purpose=f"second factor of {user.pk}")


def unseal_secret(user: User, sealed: str) -> str:
    """Return a key that `seal_secret` encrypted for the same account. Raises DecryptionError."""
    return unseal_text(sealed, purpose=f"second factor of {user.pk}")


def write_address(user: User, secret: str) -> str:
    """Return the `otpauth://` address that an app reads from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.get_username(), issuer_name=ISSUER)


def draw_code(text: str) -> tuple[int, str]:
    """Return the width of a QR code in modules, and its dark modules as the data of an SVG path."""
    rows = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return len(rows), path


def is_enabled(user: User) -> bool:
    """Tell whether an account has a second factor."""
    return bool(account_of(user).mfa_secret)


def is_required(user: User) -> bool:
    """Tell whether an account must have one, by its own rule or by that of the installation."""
    return get_settings().require_mfa or account_of(user).must_use_mfa


def enable_second_factor(user: User, *, secret: str, code: str, keep_session: str = "", at: datetime) -> list[str]:
    """
    Give an account a second factor after its app showed the right code, and return new recovery codes, shown only now.

    Args:
        keep_session: key of the session in which this happens; all others end.

    Raises:
        ForbiddenError: the code is wrong.
        ConflictError: the account has one already.
    """
    step = find_step(secret, code, at=at)
    if step is None:
        raise ForbiddenError(
            "The code is wrong. Type the six digits that the app shows now; the clock of the phone must be right.",
            code="second-factor-wrong",
        )
    with act_on_account(user, "second-factor.enable"):
        account = Account.objects.select_for_update().get(pk=account_of(user).pk)
        if account.mfa_secret:
            raise ConflictError("The account has a second factor. Switch it off first.", code="second-factor-exists")
        codes = _make_recovery_codes()
        account.mfa_secret, account.mfa_last_step = seal_secret(user, secret), step
        account.mfa_recovery = [_digest(user, each) for each in codes]
        account.save(update_fields=["mfa_secret", "mfa_last_step", "mfa_recovery"])
        end_sessions(user, keep=keep_session)
    _forget(user)
    return codes


def renew_recovery_codes(user: User) -> list[str]:
    """Make new recovery codes; the old ones stop working. Raises ConflictError without a second factor."""
    if not is_enabled(user):
        raise ConflictError("The account has no second factor.", code="second-factor-missing")
    codes = _make_recovery_codes()
    with act_on_account(user, "second-factor.renew-codes"):
        Account.objects.filter(pk=user.pk).update(mfa_recovery=[_digest(user, each) for each in codes])
    _forget(user)
    return codes


def disable_second_factor(user: User) -> None:
    """
    Take the second factor from an account, for example because the phone was lost. Where it is required, the next sign-in
    sets up another one. Idempotent.
    """
    with act_on_account(user, "second-factor.disable", action=Action.UPDATE):
        Account.objects.filter(pk=account_of(user).pk).update(mfa_secret="", mfa_last_step=0, mfa_recovery=[])
    _forget(user)


def use_code(user: User, code: str, *, at: datetime) -> bool:
    """
    Tell whether a code of the app or a recovery code is right, and see to it that it never is again.

    Safe to call from several processes at once: one of them gets the code.

    Source: security, S-06.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update().filter(pk=user.pk).first()
        if account is None or not account.mfa_secret:
            return False
        step = find_step(unseal_secret(user, account.mfa_secret), code, at=at, after=account.mfa_last_step)
        if step is not None:
            account.mfa_last_step = step
            account.save(update_fields=["mfa_last_step"])
            return True
        wanted = _digest(user, code)
        left = [each for each in account.mfa_recovery if not hmac.compare_digest(str(each), wanted)]
        if len(left) == len(account.mfa_recovery):
            return False
        account.mfa_recovery = left
        account.save(update_fields=["mfa_recovery"])
        return True


def find_step(secret: str, code: str, *, at: datetime, after: int = 0) -> int | None:
    """Return the time step after `after` to which a code belongs, or None."""
    digits = re.sub(r"\s", "", code)
    now = int(at.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    if not (digits.isascii() and digits.isdigit()):
        return None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > after and hmac.compare_digest(totp.generate_otp(step), digits):
            return step
    return None


def _make_recovery_codes() -> list[str]:
    texts = ("".join(secrets.choice(_RECOVERY_LETTERS) for _ in range(_RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES))
    return [f"{text[:5]}-{text[5:]}" for text in texts]


def _digest(user: User, code: str) -> str:
    plain = re.sub(r"[\s-]", "", code).lower()
    return salted_hmac(f"flows.operations.second_factor.{user.pk}", plain, algorithm="sha256").hexdigest()


def _forget(user: User) -> None:
    """Drop what this object remembers of its account, so that the next question asks the database."""
    user._state.fields_cache.pop("account", None)
