"""What no API token may do, whatever its person may: make or take back tokens. Everything else follows from narrowed rights."""

from __future__ import annotations

from rest_framework.request import Request

from flows.models import ApiToken
from flows.primitives.errors import ForbiddenError

OF_PASSWORDS = frozenset({("api-tokens", "POST"), ("api-token", "DELETE"), ("me", "PATCH")})
"""Routes and methods that ask for the password or a session of the person, because they outlive a lost token."""


def check_scope(request: Request) -> None:
    """
    Let the request pass unless it came with a token and needs more than one.

    Raises:
        ForbiddenError: the route asks for the person.

    Source: security, S-09.
    """
    token = request.auth
    route = str(request.resolver_match.url_name) if request.resolver_match else ""
    if isinstance(token, ApiToken) and (route, request.method) in OF_PASSWORDS:
        raise ForbiddenError(
            "A token cannot make or change tokens, nor its person. Sign in with your password.", code="token-makes-token"
        )
