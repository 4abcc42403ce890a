"""Making, checking and revoking API tokens. A token is 256 random bits, so a fast keyed hash keeps it safe at rest."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from flows.models import ApiToken
from flows.operations.account_acts import act_on_account
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.primitives.ids import new_id
from flows.primitives.rights import Action

MARK = "celestra_"
"""Every token begins like this, so that scanners of repositories and logs can find lost ones."""

DEFAULT_LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=3660)
USE_NOTED_EVERY = timedelta(minutes=1)
MOST_TOKENS = 100
MOST_NAMESPACES = 100

_RANDOM_BYTES = 32
_SHOWN_LETTERS = 6
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_NAME = 63


class NewToken(NamedTuple):
    """A token that was just made: its row, and the text that is never shown again."""

    row: ApiToken
    text: str


def create_token(
    user: User,
    *,
    name: str,
    description: str = "",
    lifetime: timedelta = DEFAULT_LIFETIME,
    extends: bool = False,
    can_write: bool = True,
    namespaces: Sequence[str] = (),
    at: datetime,
) -> NewToken:
    """
    Make a token for a person or a service account and return it with its text, which is stored nowhere.

    Args:
        name: lower-case letters, digits and single dashes, at most 63 characters, different from the person's other tokens.
        lifetime: how long it is valid, at most ten years.
        extends: whether each use moves the end of its life to one lifetime from then.
        can_write: false for a token that may only read.
        namespaces: what it reaches, each with all namespaces below it; empty means everything that the person may do.

    Raises:
        InvalidError: a name, lifetime or namespace that cannot be.
        ConflictError: the account has a token of that name, or too many tokens.
        ForbiddenError: the account is somebody else's and the caller may not, or a token asks.

    Source: security, S-09; REST API, 8.13.
    """
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidError(
            f"A token is named by lower-case letters and digits with single dashes between them, at most {_LONGEST_NAME}; "
            f'got "{name[:80]}".',
            code="token-name",
        )
    if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
        raise InvalidError(f"A token lives longer than no time and at most {LONGEST_LIFETIME.days} days.", code="token-lifetime")
    _check_namespaces(namespaces)
    text = MARK + secrets.token_urlsafe(_RANDOM_BYTES)
    row = ApiToken(
        id=new_id(),
        user=user,
        name=name,
        description=description[:2000],
        prefix=text[: len(MARK) + _SHOWN_LETTERS],
        digest=_digest(text),
        can_write=can_write,
        namespaces=sorted(set(namespaces)),
        lifetime_seconds=max(1, int(lifetime.total_seconds())),
        extends=extends,
        created_at=at,
        expires_at=at + lifetime,
    )
    if ApiToken.objects.filter(user=user).count() >= MOST_TOKENS:
        raise ConflictError(
            f"{user.get_username()} has {MOST_TOKENS} tokens, which is the limit. Revoke one first.", code="token-count"
        )
    if current_caller().token:
        raise ForbiddenError("A token cannot make tokens. Sign in with your password.", code="token-makes-token")
    with act_on_account(user, "token.create", action=Action.CREATE) as doing:
        doing.after = {"token": name, "writes": can_write, "namespaces": row.namespaces, "until": row.expires_at.isoformat()}
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            raise ConflictError(
                f'{user.get_username()} has a token "{name}". Revoke it, or choose another name.', code="token-exists"
            ) from error
    return NewToken(row, text)


def _check_namespaces(namespaces: Sequence[str]) -> None:
    if len(namespaces) > MOST_NAMESPACES:
        raise InvalidError(f"A token reaches at most {MOST_NAMESPACES} namespaces; got {len(namespaces)}.", code="token-scope")
    for namespace in namespaces:
        fault = find_name_fault(NameKind.NAMESPACE, namespace)
        if fault:
            raise InvalidError(f'The namespace "{namespace[:80]}" {fault}.', code="token-scope")


def revoke_token(user: User, token_id: str) -> None:
    """Delete a token of a person: the next request with it is refused, in every process. Raises NotFoundError."""
    row = ApiToken.objects.filter(pk=token_id, user=user).first() if "\0" not in token_id else None
    if row is None:
        raise NotFoundError(f'{user.get_username()} has no API token "{token_id[:60]}".', code="token-not-found")
    with act_on_account(user, "token.revoke", action=Action.DELETE) as doing:
        doing.before = {"token": row.name}
        row.delete()


def use_token(text: str, *, at: datetime) -> ApiToken | None:
    """
    Return the token with this text and its user, or None when it is unknown, revoked or too old.

    The moment of its use is noted at most once a minute, however often and in how many processes it is used.
    """
    if not text.startswith(MARK) or len(text) > 200:
        return None
    row = ApiToken.objects.select_related("user").filter(digest=_digest(text), expires_at__gt=at).first()
    if row is None:
        return None
    due = at - USE_NOTED_EVERY
    if row.last_used_at is None or row.last_used_at <= due:
        changes = {"last_used_at": at}
        if row.extends:
            changes["expires_at"] = at + timedelta(seconds=row.lifetime_seconds)
        ApiToken.objects.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lte=due), pk=row.pk).update(**changes)
    return row


def _digest(text: str) -> str:
    return salted_hmac("flows.operations.tokens", text, algorithm="sha256").hexdigest()
