"""Reads `page`, `size` and `sort` of a request, and the simple query values that many addresses share."""

from __future__ import annotations

from datetime import datetime

from rest_framework.request import Request

from flows.api.errors import BadRequestError
from flows.primitives.errors import InvalidError
from flows.queries.criteria import SortError, read_moment
from flows.queries.pages import Window

LARGEST_PAGE = 10_000
HIGHEST_NUMBER = 1_000_000_000


def read_window(request: Request, *, size: int = 10) -> Window:
    """
    Return the wanted page.

    Raises:
        BadRequestError: `page` or `size` is no number.
        InvalidError: one of them is below 1, or `size` above 10,000.
        SortError: a sort value is not `field:asc` or `field:desc`.

    Source: REST API, 4.
    """
    page = read_number(request, "page", default=1)
    size = read_number(request, "size", default=size)
    if page < 1 or size < 1:
        raise InvalidError('"page" and "size" must be 1 or more.', code="page")
    if size > LARGEST_PAGE:
        raise InvalidError(f'"size" must be at most {LARGEST_PAGE}; got {size}.', code="page")
    return Window(page=page, size=size, sort=tuple(_read_sort(text) for text in request.query_params.getlist("sort") if text))


def _read_sort(text: str) -> tuple[str, str]:
    name, colon, direction = text.partition(":")
    if not colon or not name or direction.lower() not in ("asc", "desc"):
        raise SortError(f'Invalid sort parameter: "{text[:100]}" must be a field and a direction, such as id:asc.')
    return name, direction.lower()


def read_number(request: Request, name: str, *, default: int) -> int:
    """Return a whole number of the query. Raises BadRequestError when it is none."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or int(digits) > HIGHEST_NUMBER:
        raise BadRequestError(f'"{name}" must be a whole number; got "{text[:60]}".')
    return int(text)


def find_number(request: Request, name: str) -> int | None:
    """Return a whole number of the query, or None when it is not given."""
    return read_number(request, name, default=0) if request.query_params.get(name) else None


def read_flag(request: Request, name: str, *, default: bool) -> bool:
    """Return a yes or no of the query. Raises BadRequestError for any other word."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if text.lower() not in ("true", "false"):
        raise BadRequestError(f'"{name}" must be true or false; got "{text[:60]}".')
    return text.lower() == "true"


def find_moment(request: Request, name: str) -> datetime | None:
    """Return an aware UTC moment of the query, or None. Raises BadRequestError when it is no date-time."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return read_moment(text, name=name)
    except InvalidError as error:
        raise BadRequestError(error.message) from error


def read_required(request: Request, name: str) -> str:
    """Return a query value that must be there. Raises BadRequestError."""
    text = request.query_params.get(name)
    if not text:
        raise BadRequestError(f'The query value "{name}" is missing.')
    return str(text)
