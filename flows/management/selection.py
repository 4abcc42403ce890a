"""What commands share in reading their arguments: selections of rows, pages, key=value pairs, durations and moments."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.management.terminal import UsageError
from flows.primitives.durations import DurationError, parse_duration
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.pages import Window

DEFAULT_SIZE = 100
LARGEST_SIZE = 10_000
_SHORT_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose rows. `--tenant` comes with the choice of the installation. Source: command line, 2.1."""
    parser.add_argument("-n", "--namespace", help="a namespace with its children")
    parser.add_argument("-q", "--query", help="part of an id, namespace or text")
    parser.add_argument("--filter", action="append", default=[], metavar="FIELD:OP=VALUE", help="a filter of the API; repeat it")


def add_page(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a page and its order."""
    parser.add_argument("--sort", action="append", default=[], metavar="FIELD:asc|desc", help="the order; repeat it")
    parser.add_argument("--page", type=parse_count, default=1, help="which page, from 1")
    parser.add_argument("--size", type=parse_size, default=DEFAULT_SIZE, help=f"rows per page, {DEFAULT_SIZE} when left out")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add the option that answers the question before something dangerous."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def read_criteria(options: argparse.Namespace, *extra: Condition) -> Criteria:
    """
    Return the conditions of the selection options and `extra`, joined by and.

    Raises:
        UsageError: a filter that is not written as FIELD:OP=VALUE. Unknown fields are refused later, by the query.
    """
    conditions = list(extra)
    if getattr(options, "namespace", None):
        conditions.append(Condition("namespace", Operation.PREFIX, options.namespace))
    if options.query:
        conditions.append(Condition("q", Operation.EQUALS, options.query))
    conditions.extend(_read_filter(text) for text in options.filter)
    return Criteria("and", tuple(conditions))


def has_selection(options: argparse.Namespace) -> bool:
    """Tell whether any selection option was given."""
    return bool(options.namespace or options.query or options.filter)


def read_window(options: argparse.Namespace) -> Window:
    """Return the wanted page. Raises UsageError for a malformed order."""
    sort = []
    for text in options.sort:
        field, _, direction = text.partition(":")
        if not field or direction not in ("", "asc", "desc"):
            raise UsageError(f'--sort takes FIELD:asc or FIELD:desc; got "{text}".')
        sort.append((field, direction or "asc"))
    return Window(page=options.page, size=options.size, sort=tuple(sort))


def _read_filter(text: str) -> Condition:
    left, equals, value = text.partition("=")
    field, colon, word = left.partition(":")
    key = ""
    if field.startswith("labels."):
        field, key = "labels", field.removeprefix("labels.")
    try:
        operation = Operation(word.upper()) if colon else Operation.EQUALS
    except ValueError:
        raise UsageError(f'--filter knows no operation "{word}". Known ones: {", ".join(Operation)}.') from None
    needs_value = operation not in (Operation.IS_NULL, Operation.IS_NOT_NULL)
    if not field or (needs_value and not equals):
        raise UsageError(f'--filter takes FIELD:OP=VALUE, such as state:IN=FAILED,KILLED; got "{text}".')
    return Condition(field, operation, value, key)


def read_pairs(texts: Sequence[str], *, option: str) -> dict[str, str]:
    """Return `KEY=VALUE` arguments as a map; a later key replaces an earlier one. Raises UsageError."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f'{option} takes KEY=VALUE; got "{text}".')
        pairs[key] = value
    return pairs


def read_inputs(options: argparse.Namespace) -> dict[str, Any]:
    """
    Return what --inputs, --input and --input-file supply: dotted id to value, text or open file, later ones first.

    Raises:
        UsageError: malformed pairs, JSON that is no object, or a file that cannot be read.
    """
    inputs: dict[str, Any] = {}
    if options.inputs:
        inputs.update(_read_json_object(options.inputs))
    inputs.update(read_pairs(options.input, option="--input"))
    for key, path in read_pairs(options.input_file, option="--input-file").items():
        try:
            inputs[key] = Path(path).open("rb")  # noqa: SIM115 (read by the operation; the process ends soon after)
        except OSError as error:
            raise UsageError(f'--input-file {key}: "{path}" cannot be read ({error.strerror}).') from error
    return inputs


def _read_json_object(text: str) -> dict[str, Any]:
    source = text
    if not text.lstrip().startswith("{"):
        try:
            source = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f'--inputs takes a JSON object or a file with one; "{text}" cannot be read.') from error
    try:
        value = json.loads(source)
    except ValueError as error:
        raise UsageError(f"--inputs holds no valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UsageError('--inputs takes a JSON object such as {"name": "value"}.')
    return value


def parse_count(text: str) -> int:
    """Return a whole number of one or more, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number of 1 or more')
    return number


def parse_size(text: str) -> int:
    """Return a number of rows per page, for argparse."""
    size = parse_count(text)
    if size > LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"a page has at most {LARGEST_SIZE} rows")
    return size


def parse_span(text: str) -> timedelta:
    """Return a length of time such as `90s`, `10m`, `24h`, `30d` or `PT10M`, for argparse."""
    match = _SHORT_DURATION.fullmatch(text.strip())
    try:
        return float(match[1]) * _UNITS[match[2]] if match else parse_duration(text)
    except (DurationError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no length of time such as 90s, 10m, 24h, 30d or PT10M') from error


def parse_moment(text: str) -> datetime:
    """Return an aware moment from ISO text, UTC when it names no zone, for argparse."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no moment such as 2031-05-04T10:00:00Z') from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
