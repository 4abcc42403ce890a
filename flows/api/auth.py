"""Who is calling: basic credentials, an API token or the browser's session; and the explicit list of routes open to everybody."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import AbstractBaseUser, User
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, CSRFCheck, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from flows.api.limits import address_of
from flows.models import Account, ApiToken
from flows.operations import sign_in
from flows.operations.set_up import is_set_up
from flows.operations.tokens import use_token
from flows.primitives.callers import Door

OPEN_ROUTES = frozenset(
    {
        "ping",
        "health",
        "health-liveness",
        "health-readiness",
        "login-configuration",
        "login",
        "webhook",
        "webhook-with-path",
    }
)
"""Names of the routes that need no credentials. Whatever is not listed needs them. Source: security, S-01."""

OPEN_UNTIL_SET_UP = frozenset({"account-create", "account-errors"})
"""Routes that need no credentials while there is no account; they check who may make the first one themselves."""

CHALLENGE = 'Basic realm="Celestra", charset="UTF-8"'
REMEMBERED_SECONDS = 60.0
REMEMBERED_COUNT = 1000
LONGEST_HEADER = 2048
WRONG = (
    "The user name or the password is wrong. Check both; whoever runs the server can set a new password with "
    "`python manage.py changepassword NAME`."
)
TOKENS_ONLY = (
    "This account uses a second factor, and a password alone is not enough here. Make an API token on the page of the account "
    "and send it as a bearer token."
)
REFUSED_TOKEN = "The API token is unknown, was revoked, or has run out. Make a new one with your password."  # noqa: S105 - a text


class VerifiedCredentials:
    """
    Which Authorization headers were verified within the last minute, so that the slow password hash is not computed for
    every request. Held in memory only, under a keyed hash: the header itself is never kept.
    """

    def __init__(self, *, seconds: float = REMEMBERED_SECONDS, count: int = REMEMBERED_COUNT) -> None:
        self._key = secrets.token_bytes(32)
        self._seconds = seconds
        self._count = count
        self._lock = Lock()
        self._users: OrderedDict[bytes, tuple[float, AbstractBaseUser]] = OrderedDict()

    def _name(self, header: bytes) -> bytes:
        return hmac.new(self._key, header, hashlib.sha256).digest()

    def find(self, header: bytes) -> AbstractBaseUser | None:
        """Return the user of a header that was verified not too long ago."""
        with self._lock:
            found = self._users.get(self._name(header))
        return found[1] if found and found[0] > time.monotonic() else None

    def remember(self, header: bytes, user: AbstractBaseUser) -> None:
        """Keep a header as verified; the oldest one is dropped when there are too many."""
        with self._lock:
            self._users[self._name(header)] = (time.monotonic() + self._seconds, user)
            while len(self._users) > self._count:
                self._users.popitem(last=False)

    def clear(self) -> None:
        """Forget everything, because an account changed."""
        with self._lock:
            self._users.clear()


verified_credentials = VerifiedCredentials()


def _forget_on_account_change(sender: Any, **_: Any) -> None:
    if isinstance(sender, type) and issubclass(sender, AbstractBaseUser | Account):
        verified_credentials.clear()


post_save.connect(_forget_on_account_change, dispatch_uid="flows.api.auth.saved")
post_delete.connect(_forget_on_account_change, dispatch_uid="flows.api.auth.deleted")
user_logged_out.connect(lambda **_: verified_credentials.clear(), weak=False, dispatch_uid="flows.api.auth.logged_out")


class HeaderCredentials(BaseAuthentication):
    """Basic credentials or an API token in the Authorization header. Cookies are not looked at when the header is there."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiToken | None] | None:
        """
        Return the user and the token that was sent, or None without a header.

        Raises:
            AuthenticationFailed: anything that is not right.
        """
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        if header[:7].lower() == "bearer ":
            # Never remembered: a revoked token must be refused at once, in every process.
            token = use_token(header[7:].strip(), at=timezone.now())
            if token is None:
                raise AuthenticationFailed(REFUSED_TOKEN)
            return token.user, token
        raw = header.encode("utf-8", "surrogateescape")
        user = verified_credentials.find(raw)
        if user is None:
            user = self._verify(request, header)
            verified_credentials.remember(raw, user)
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return CHALLENGE

    def _verify(self, request: Request, header: str) -> AbstractBaseUser:
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
            raise AuthenticationFailed("Send basic credentials (user name, an e-mail address, and password) or an API token.")
        try:
            name, colon, password = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            colon = name = password = ""
        if not colon:
            raise AuthenticationFailed(WRONG)
        user = verify_password(request, name, password)
        if sign_in.next_step(user) is not sign_in.SecondStep.NONE:
            raise AuthenticationFailed(TOKENS_ONLY)
        return user


def verify_password(request: Request, name: str, password: str) -> User:
    """
    Return the user with this name and password.

    Raises:
        AuthenticationFailed: one of them is wrong; nothing tells which one.
        Throttled: too many wrong guesses for this name from this address.
    """
    try:
        return sign_in.verify_password(name, password, address=address_of(request), door=Door.API, request=request._request)
    except sign_in.TooManyTriesError as error:
        raise Throttled(wait=error.wait_seconds) from error
    except sign_in.WrongCredentialsError as error:
        raise AuthenticationFailed(WRONG) from error


class BrowserSession(SessionAuthentication):
    """The session cookie of our pages; a request that changes something must carry the CSRF token."""

    def enforce_csrf(self, request: Request) -> None:
        """Check the token on the plain request, so that the body stays unread. Raises PermissionDenied."""
        check = CSRFCheck(_no_response)
        check.process_request(request._request)
        reason = check.process_view(request._request, _no_response, (), {})
        if reason:
            raise PermissionDenied(f"The CSRF token is missing or wrong: {reason}")

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return CHALLENGE


def _no_response(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class IsSignedIn(BasePermission):
    """Lets signed-in users pass, and everybody on the routes that are listed as open."""

    message = "Sign in first."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Decide by the resolved route, never by the text of the path."""
        return is_open(request) or bool(request.user and request.user.is_authenticated and request.user.is_active)


def is_open(request: Any) -> bool:
    """Tell whether the resolved route needs no credentials."""
    match = getattr(request, "resolver_match", None)
    if match is None or match.namespaces != ["api"]:
        return False
    return match.url_name in OPEN_ROUTES or (match.url_name in OPEN_UNTIL_SET_UP and not is_set_up())


def is_sent_from_login_page(request: Any) -> bool:
    """Tell whether the login page made this request; then a 401 must not open the browser's own password window."""
    return urlsplit(request.META.get("HTTP_REFERER", "")).path.rstrip("/").endswith("/login")


def name_of(request: Any) -> str:
    """Return the signed-in user's name for records, empty on open routes."""
    user = getattr(request, "user", None)
    return str(user.get_username()) if user is not None and user.is_authenticated else ""
