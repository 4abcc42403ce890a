"""What a person chose for the look of the console. The account keeps it; a cookie tells it to the server with every page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode
from zoneinfo import available_timezones

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from flows.primitives.identifiers import NameKind, find_name_fault
from flows.queries.preferences import find_preferences
from flows.ui.editing.panels import is_arrangement

CHOICES_KEY = "console.look"
CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "nav": ("wide", "narrow"),
    "zone": ("local", "utc"),
    "date": ("", "iso", "dmy", "mdy"),
    "clock": ("24", "12"),
    "density": ("compact", "comfortable"),
    "editor-keys": ("", "vim", "emacs", "vscode"),
    "editor-size": ("12", "13", "14", "16", "18"),
    "keys": ("on", "off"),
    "time": ("absolute", "relative"),
    "announce": ("off", "on"),
    "log-level": ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"),
    "log-order": ("", "task"),
}
"""
The settings of the console and their values. `zone` may also be the name of any zone, such as `Europe/Lisbon`; `home-namespace`
holds a namespace, empty for none; `editor-columns` says which panels of the editor stand where, `editor-split` how wide its left
column is in per cent.
"""

HOME_NAMESPACE = "home-namespace"
EDITOR_COLUMNS, EDITOR_SPLIT = "editor-columns", "editor-split"
NARROWEST, WIDEST = 20, 80
"""How wide the left column of the editor may be, in per cent."""

_WIDTHS = frozenset(map(str, range(NARROWEST, WIDEST + 1)))

COOKIE = "look"
COOKIE_SECONDS = 12 * 60 * 60


def read_choices(user_id: int | None) -> dict[str, str]:
    """Return what a person chose for the look of the console; settings left at their default are absent."""
    stored = find_preferences(user_id).get(CHOICES_KEY)
    return _keep_known(stored) if isinstance(stored, dict) else {}


def read_look(request: HttpRequest) -> dict[str, str]:
    """Return the choices that the browser told, or those of the account for a browser that tells none. Asks at most once."""
    told: dict[str, str] | None = getattr(request, "_look", None)
    if told is None:
        has_told = COOKIE in request.COOKIES
        told = _keep_known(dict(parse_qsl(request.COOKIES[COOKIE]))) if has_told else _read_kept(request)
        request._look = told  # type: ignore[attr-defined]  # kept for the request
    return told


def is_choice(name: str, value: str) -> bool:
    """Tell whether a setting has a value of that kind."""
    if name == HOME_NAMESPACE:
        return not value or find_name_fault(NameKind.NAMESPACE, value) is None
    if name == EDITOR_COLUMNS:
        return is_arrangement(value)
    if name == EDITOR_SPLIT:
        return value in _WIDTHS
    return value in CHOICES.get(name, ()) or (name == "zone" and value in _list_zones())


@lru_cache(maxsize=1)
def _list_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def lead_to_defaults(request: HttpRequest, **settings: str) -> HttpResponseRedirect | None:
    """
    Return the way to the same page with what the reader prefers to see first, None when the address already says what to show.

    Args:
        settings: by name of the query, which setting holds its default, such as `level="log-level"`.
    """
    if request.GET or "X-Fragment" in request.headers:
        return None
    look = read_look(request)
    wanted = {name: look[setting] for name, setting in settings.items() if look.get(setting)}
    return HttpResponseRedirect(f"{request.path}?{urlencode(wanted)}") if wanted else None


def send_look(request: HttpRequest, response: HttpResponse) -> None:
    """
    Give a browser that has none the choices of the account, so that its next page looks right from the first paint.

    Readable by scripts, which write it when a choice changes; the server only compares it with the known values.
    """
    if COOKIE in request.COOKIES or not request.user.is_authenticated:
        return
    response.set_cookie(
        COOKIE, urlencode({"v": "1", **read_look(request)}), max_age=COOKIE_SECONDS, secure=request.is_secure(), samesite="Lax"
    )


def _read_kept(request: HttpRequest) -> dict[str, str]:
    try:
        return read_choices(getattr(getattr(request, "user", None), "pk", None))
    except DatabaseError:
        # The page that says so must still be painted.
        return {}


def _keep_known(choices: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in choices.items() if is_choice(name, value)}
