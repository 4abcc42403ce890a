"""What the operators do with values: arithmetic, comparison, truth, membership, ranges. Source: expressions, 2.2."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from enum import Enum
from typing import Any

from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.limits import MAX_DEPTH, MAX_LIST_ITEMS, Budget, limit_error
from flows.expressions.values import (
    INTEGER_MAX,
    INTEGER_MIN,
    LONG_MAX,
    LONG_MIN,
    BigInteger,
    Float,
    Long,
    describe_type,
    is_integer,
    is_list,
    is_number,
    to_java_text,
)

MAX_INTEGER_BITS = 16_384
_DECIMAL128 = Context(prec=34, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def bad_operand(operator: str, left: Any, right: Any) -> ExpressionError:
    """Return the error for operands that an operator cannot take."""
    return ExpressionError(
        Kind.BAD_OPERAND, f'The operator "{operator}" cannot be applied to {describe_type(left)} and {describe_type(right)}.'
    )


def add(budget: Budget, left: Any, right: Any) -> Any:
    """Add numbers, join texts (null gives "null"), or return a new list with one item or all items of a list added."""
    if isinstance(left, str) or isinstance(right, str):
        return join_texts(budget, (to_java_text(budget, left), to_java_text(budget, right)))
    if isinstance(left, (list, tuple)):
        added = list(right) if is_list(right) else [right]
        budget.spend_items(len(left) + len(added))
        return [*left, *added]
    return _calculate("+", left, right)


def subtract(budget: Budget, left: Any, right: Any) -> Any:
    """Subtract numbers, or return a new list without an item or without all items of a list."""
    if isinstance(left, (list, tuple)):
        removed = list(right) if is_list(right) else [right]
        budget.spend_items(len(left))
        return [item for item in left if not any(is_equal(budget, item, other) for other in removed)]
    return _calculate("-", left, right)


def multiply(_: Budget, left: Any, right: Any) -> Any:
    """Multiply numbers."""
    return _calculate("*", left, right)


def divide(_: Budget, left: Any, right: Any) -> Any:
    """Divide numbers; two integers give an integer truncated towards zero."""
    return _calculate("/", left, right)


def remainder(_: Budget, left: Any, right: Any) -> Any:
    """Return the remainder with the sign of the left operand."""
    return _calculate("%", left, right)


def negate(_: Budget, operand: Any) -> Any:
    """Return the number with the other sign."""
    if not is_number(operand):
        raise ExpressionError(Kind.BAD_OPERAND, f'The operator "-" cannot be applied to {describe_type(operand)}.')
    return type(operand)(-operand)


def plus(_: Budget, operand: Any) -> Any:
    """Return the number itself."""
    if not is_number(operand):
        raise ExpressionError(Kind.BAD_OPERAND, f'The operator "+" cannot be applied to {describe_type(operand)}.')
    return operand


def _calculate(operator: str, left: Any, right: Any) -> Any:
    if not is_number(left) or not is_number(right):
        raise bad_operand(operator, left, right)
    if isinstance(left, int) and isinstance(right, int):
        return _fit_integer(operator, _INTEGER_OPERATIONS[operator](left, right), left, right)
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _calculate_decimal(operator, left, right)
    try:
        result = _FLOAT_OPERATIONS[operator](float(left), float(right))
    except OverflowError as error:
        raise bad_operand(operator, left, right) from error
    narrow = isinstance(left, (Float, int)) and isinstance(right, (Float, int))
    return Float(result) if narrow else result


def _calculate_decimal(operator: str, left: Any, right: Any) -> Decimal:
    operands = [_to_decimal(left), _to_decimal(right)]
    try:
        return _DECIMAL_OPERATIONS[operator](*operands)
    except ArithmeticError as error:
        raise ExpressionError(Kind.BAD_OPERAND, f'The decimal calculation with "{operator}" has no result.') from error


def _to_decimal(value: Any) -> Decimal:
    return Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)


def _fit_integer(operator: str, result: int, left: int, right: int) -> int:
    """Give the result the wider kind of both operands, and refuse what does not fit into it."""
    if isinstance(left, BigInteger) or isinstance(right, BigInteger):
        if result.bit_length() > MAX_INTEGER_BITS:
            raise limit_error("An integer", f"{MAX_INTEGER_BITS} bits")
        return BigInteger(result)
    if not LONG_MIN <= result <= LONG_MAX:
        raise ExpressionError(Kind.BAD_OPERAND, f'The result of "{operator}" does not fit into 64 bits.')
    if type(left) is Long or type(right) is Long or not INTEGER_MIN <= result <= INTEGER_MAX:
        return Long(result)
    return int(result)


def _divide_integers(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError(Kind.BAD_OPERAND, "An integer cannot be divided by zero.")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder_of_integers(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError(Kind.BAD_OPERAND, "An integer cannot be divided by zero.")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _divide_floats(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _remainder_of_floats(left: float, right: float) -> float:
    if right == 0 or math.isinf(left) or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.fmod(left, right)


_INTEGER_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": int.__add__,
    "-": int.__sub__,
    "*": int.__mul__,
    "/": _divide_integers,
    "%": _remainder_of_integers,
}
_FLOAT_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": float.__add__,
    "-": float.__sub__,
    "*": float.__mul__,
    "/": _divide_floats,
    "%": _remainder_of_floats,
}
_DECIMAL_OPERATIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _DECIMAL128.add,
    "-": _DECIMAL128.subtract,
    "*": _DECIMAL128.multiply,
    "/": _DECIMAL128.divide,
    "%": _DECIMAL128.remainder,
}


def join_texts(budget: Budget, parts: Iterable[str]) -> str:
    """Return the texts as one, after the budget has paid for it."""
    texts = list(parts)
    length = sum(map(len, texts))
    if length > 256:
        budget.spend_text(length, is_ascii=all(map(str.isascii, texts)))
    budget.tick()
    return "".join(texts)


def is_equal(budget: Budget, left: Any, right: Any) -> bool:
    """
    Return whether two values are equal: numbers by value whatever their kind, an enum and its name, lists and maps by content,
    anything else only when both are of one kind. Source: expressions, 2.2.
    """
    return _is_equal(budget, left, right, 0)


def _is_equal(budget: Budget, left: Any, right: Any, depth: int) -> bool:
    budget.tick()
    if isinstance(left, Enum):
        left = left.name if not isinstance(left, str) else str(left)
    if isinstance(right, Enum):
        right = right.name if not isinstance(right, str) else str(right)
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and isinstance(right, str) and left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if left is None or right is None:
        return left is right
    if is_number(left) and is_number(right):
        return bool(left == right)
    if depth > MAX_DEPTH:
        raise limit_error("The nesting of a compared value", f"{MAX_DEPTH} levels")
    if isinstance(left, Mapping):
        return isinstance(right, Mapping) and _are_maps_equal(budget, left, right, depth)
    if is_list(left):
        return is_list(right) and _are_lists_equal(budget, left, right, depth)
    if isinstance(left, date) and isinstance(right, date) and type(left) is type(right):
        return left == right
    return type(left) is type(right) and bool(left == right)


def _are_maps_equal(budget: Budget, left: Mapping[Any, Any], right: Mapping[Any, Any], depth: int) -> bool:
    if len(left) != len(right):
        return False
    for key, item in left.items():
        try:
            other = right[key]
        except KeyError:
            return False
        if not _is_equal(budget, item, other, depth + 1):
            return False
    return True


def _are_lists_equal(budget: Budget, left: Any, right: Any, depth: int) -> bool:
    if isinstance(left, (set, frozenset)) and isinstance(right, (set, frozenset)):
        return left == right
    return len(left) == len(right) and all(_is_equal(budget, a, b, depth + 1) for a, b in zip(left, right, strict=True))


def compare(operator: str, left: Any, right: Any) -> bool:
    """Compare numbers, two texts or two moments with `<`, `>`, `<=` or `>=`; null on either side gives false."""
    if left is None or right is None:
        return False
    comparable = (
        (is_number(left) and is_number(right))
        or (isinstance(left, str) and isinstance(right, str))
        or (isinstance(left, datetime) and isinstance(right, datetime) and bool(left.tzinfo) == bool(right.tzinfo))
        or (type(left) is date and type(right) is date)
    )
    if not comparable:
        raise bad_operand(operator, left, right)
    if operator == "<":
        return bool(left < right)
    if operator == ">":
        return bool(left > right)
    return bool(left <= right) if operator == "<=" else bool(left >= right)


def is_true(value: Any, where: str) -> bool:
    """Return the truth of a condition: a boolean itself, a number unless 0, a text unless empty; else raise bad_operand."""
    if value is True or value is False:
        return bool(value)
    if isinstance(value, str):
        return value != ""
    if is_number(value):
        return bool(value != 0)
    raise ExpressionError(
        Kind.BAD_OPERAND, f'"{where}" needs a boolean, a number or a text as its condition but got {describe_type(value)}.'
    )


def contains(budget: Budget, left: Any, right: Any) -> bool:
    """Return whether a list has an item or all items of a list, a map a key, or a text a part; null contains nothing."""
    if left is None:
        return False
    if isinstance(left, str):
        return to_java_text(budget, right) in left
    if isinstance(left, Mapping):
        if isinstance(right, (Mapping, list, set)):
            return False
        try:
            left[right]
        except KeyError:
            return False
        return True
    if is_list(left):
        wanted = right if is_list(right) else [right]
        return all(any(is_equal(budget, item, other) for other in left) for item in wanted)
    raise bad_operand("contains", left, right)


def is_in(budget: Budget, left: Any, right: Any) -> bool:
    """Return whether a list has an item, or a map a key or value, whose text equals the text of the left operand."""
    if left is None or right is None:
        return False
    text = to_java_text(budget, left)
    if isinstance(right, Mapping):
        return any(_has_text(budget, text, key) or _has_text(budget, text, item) for key, item in right.items())
    if is_list(right):
        return any(_has_text(budget, text, item) for item in right)
    return False


def _has_text(budget: Budget, text: str, value: Any) -> bool:
    budget.tick()
    return value is not None and to_java_text(budget, value) == text


def make_range(budget: Budget, start: Any, end: Any, step: Any = 1) -> list[Any]:
    """
    Return the list from start to end, both included: integers or one-character texts; the wrong direction gives [].

    Raises bad_argument for other values and a step of 0, limit for more than 100 000 items.
    """
    if not is_integer(step) or step == 0:
        raise ExpressionError(Kind.BAD_ARGUMENT, "The step of a range must be an integer other than 0.")
    if isinstance(start, str) and isinstance(end, str) and len(start) == 1 and len(end) == 1:
        return [chr(code) for code in make_range(budget, ord(start), ord(end), step)]
    if not is_integer(start) or not is_integer(end):
        raise ExpressionError(
            Kind.BAD_ARGUMENT,
            f"A range goes from integer to integer or from one character to another, got {describe_type(start)} and "
            f"{describe_type(end)}.",
        )
    numbers = range(int(start), int(end) + (1 if step > 0 else -1), int(step))
    # The length of a range can be beyond what len() reports, so the bounds decide.
    if numbers and (numbers[-1] - numbers[0]) // numbers.step >= MAX_LIST_ITEMS:
        raise limit_error("A range", f"{MAX_LIST_ITEMS} items")
    budget.spend_items(len(numbers))
    kind = Long if type(start) is Long or type(end) is Long else int
    return [kind(number) for number in numbers]
