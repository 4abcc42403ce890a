"""The page of one's own account: name, password, second factor, sessions, API tokens, and what one may do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.conf import get_settings
from flows.operations import accounts, passwords, second_factor, sessions, tokens
from flows.operations.account_acts import act_on_account
from flows.operations.account_rows import account_of
from flows.operations.bindings import list_bindings_of
from flows.operations.oidc import is_configured
from flows.operations.oidc_accounts import unlink_account
from flows.operations.sign_in import verify_code
from flows.primitives.callers import Door
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import FlowsError, InvalidError, NotFoundError
from flows.queries.tokens import list_tokens
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.views.session import address_of, describe_secret

NEW_SECRET = "new-second-factor"  # noqa: S105 - the name of a value
LIFETIMES = (("P7D", "7 days"), ("P30D", "30 days"), ("P90D", "90 days"), ("P365D", "one year"))


def me(request: HttpRequest) -> User:
    """Return whose session this is."""
    assert isinstance(request.user, User)
    return request.user


def show_account(request: HttpRequest) -> HttpResponse:
    """Show the own account."""
    return _answer(request)


def _answer(request: HttpRequest, **extra: Any) -> HttpResponse:
    user, at = me(request), timezone.now()
    account = account_of(user)
    sealed = request.session.get(NEW_SECRET)
    context = {
        "account": account,
        "bindings": list_bindings_of(user),
        "groups": accounts.list_groups_of(user),
        "sessions": describe_sessions(request, user),
        "tokens": list_tokens(user),
        "at": at,
        "lifetimes": LIFETIMES,
        "mfa_required": second_factor.is_required(user),
        "provider": get_settings().oidc_name if is_configured() else "",
        "has_password": user.has_usable_password(),
        **(describe_secret(user, sealed) if sealed else {}),
        **extra,
    }
    return answer_page(request, "flows/access/account.html", context, title="Your account", crumbs=[Crumb("Your account")])


def describe_sessions(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """Return the live sessions of an account with their public ids."""
    rows = sessions.list_sessions(user, at=timezone.now())
    key = request.session.session_key
    return [
        {"row": row, "id": sessions.public_id(row), "is_this": sessions.is_session_of(row, key), "agent": name_agent(row.agent)}
        for row in rows
    ]


def name_agent(text: str) -> str:
    """Return the browser and the system that a user agent text speaks of, in two words."""
    browsers = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"))
    browser = next((name for mark, name in browsers if mark in text), "")
    system = next((name for mark, name in (*systems, ("Linux", "Linux")) if mark in text), "")
    return " on ".join(part for part in (browser, system) if part) or text[:40] or "unknown browser"


def act(request: HttpRequest, action: str) -> HttpResponse:
    """Change the own account, then back to its page; what is shown only once is shown right away."""
    try:
        return _act(request, action)
    except FlowsError as error:
        return redirect("account", problem=error.message[:500])


def _act(request: HttpRequest, action: str) -> HttpResponse:
    user, sent, at = me(request), request.POST, timezone.now()
    key = request.session.session_key or ""
    match action:
        case "name":
            accounts.update_person(user, first_name=sent.get("first_name", ""), last_name=sent.get("last_name", ""))
            return redirect("account", note="Name saved")
        case "password":
            if sent.get("new") != sent.get("again"):
                raise InvalidError("The two new passwords differ.", code="password-differs")
            passwords.change_own_password(user, old=sent.get("old", ""), new=sent.get("new", ""), keep_session=key)
            update_session_auth_hash(request, user)
            return redirect("account", note="Password changed; all other browsers are signed out")
        case "second-factor-begin":
            request.session[NEW_SECRET] = second_factor.seal_secret(user, second_factor.make_secret())
            return redirect("account")
        case "second-factor-cancel":
            request.session.pop(NEW_SECRET, None)
            return redirect("account")
        case "second-factor-enable":
            return _enable(request, user)
        case "second-factor-disable":
            # A browser that somebody left open must not be enough to take the second factor away.
            verify_code(user, sent.get("code", ""), address=address_of(request), door=Door.CONSOLE, at=at)
            second_factor.disable_second_factor(user)
            request.session.cycle_key()
            return redirect("account", note="The second factor is off")
        case "second-factor-codes":
            verify_code(user, sent.get("code", ""), address=address_of(request), door=Door.CONSOLE, at=at)
            return _answer(request, codes=second_factor.renew_recovery_codes(user))
        case "session-revoke":
            sessions.revoke_session(user, sent.get("id", ""))
            return redirect("account", note="That browser is signed out")
        case "sessions-revoke":
            count = sessions.revoke_sessions(user, keep=key)
            return redirect("account", note=f"{count} other browsers are signed out")
        case "token-create":
            return _answer(request, new_token=make_token(request, user))
        case "token-revoke":
            tokens.revoke_token(user, sent.get("id", ""))
            return redirect("account", note="Token revoked")
        case "disconnect":
            with act_on_account(user, "account.disconnect"):
                unlink_account(user)
            return redirect("account", note="The account is no longer connected")
    raise NotFoundError(f'An account has no action "{action[:60]}".', code="unknown-action")


def _enable(request: HttpRequest, user: User) -> HttpResponse:
    sealed = request.session.get(NEW_SECRET)
    if not sealed:
        raise InvalidError("Begin with the picture for the app.", code="second-factor-missing")
    codes = second_factor.enable_second_factor(
        user,
        secret=second_factor.unseal_secret(user, sealed),
        code=request.POST.get("code", ""),
        keep_session=request.session.session_key or "",
        at=timezone.now(),
    )
    del request.session[NEW_SECRET]
    request.session.cycle_key()
    return _answer(request, codes=codes)


def make_token(request: HttpRequest, user: User) -> tokens.NewToken:
    """Make a token from the form for one of the own account or of a service account."""
    sent = request.POST
    try:
        lifetime = parse_duration(sent.get("lifetime", "P90D"))
    except DurationError as error:
        raise InvalidError("Choose how long the token lives.", code="token-lifetime") from error
    return tokens.create_token(
        user,
        name=sent.get("name", "").strip(),
        description=sent.get("description", ""),
        lifetime=lifetime,
        extends="extends" in sent,
        can_write=sent.get("access") != "READ",
        namespaces=sent.get("namespaces", "").replace(",", " ").split(),
        at=timezone.now(),
    )
