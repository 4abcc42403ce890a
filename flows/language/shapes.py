"""Compares data with a JSON schema and says every difference in a sentence, with its place. The schemas live elsewhere."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from flows.language.reading import MAX_PROBLEMS, Reading, list_words, show_value, suggest_name
from flows.language.source import Path
from flows.primitives.durations import DurationError, parse_duration

_IN_WORDS = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_BOOLEAN_TEXTS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class _Fault:
    """One difference, not yet reported: alternatives of a schema are tried before anything is said."""

    code: str
    message: str
    path: Path
    hint: str = ""
    of_key: bool = False


def check_shape(
    reading: Reading, schema: Mapping[str, Any], value: Any, path: Path, owner: str, *, any_case: bool = False
) -> Any:
    """
    Report where `value` differs from `schema` and return it with scalars brought to the declared types.

    Args:
        schema: JSON schema: types, enum, const, required, properties, additionalProperties, items, anyOf, oneOf, allOf, pattern,
            lengths, bounds, `format` duration and regex. `x-aliases` maps old property names to new ones. A `$ref` that the
            schema does not define itself accepts everything, because somebody else reads that part.
        path: where the value stands; messages name it below `owner`.
        owner: the object in words, as messages name it: `task "load" of type "..."`.
        any_case: True when words of an enumeration may be written in any letter case.

    Returns:
        The value itself, or a copy in which numbers and booleans stand as text where text is declared (as they were written),
        numeric texts as numbers where only numbers are declared, old names are replaced and nulls of optional properties are
        left out.
    """
    shape = _Shape(reading, schema, len(path), owner, any_case)
    faults: list[_Fault] = []
    result = shape.match(schema, value, path, None, faults)
    for fault in faults:
        reading.report(fault.code, fault.message, fault.path, hint=fault.hint, of_key=fault.of_key)
    return result


class _Shape:
    def __init__(self, reading: Reading, root: Mapping[str, Any], base: int, owner: str, any_case: bool) -> None:
        self._reading = reading
        self._root = root
        self._base = base
        self._owner = owner
        self._any_case = any_case

    def match(self, schema: Any, value: Any, path: Path, container: Any, faults: list[_Fault]) -> Any:
        """Return the value brought to the schema's types; differences are added to `faults`."""
        if schema is False:
            faults.append(_Fault("unknown-property", f"{self._name(path)} is not allowed.", path, of_key=True))
            return value
        if schema is True or not schema:
            return value
        if "$ref" in schema:
            target = self._resolve(str(schema["$ref"]))
            return value if target is None else self.match(target, value, path, container, faults)
        for part in schema.get("allOf", ()):
            value = self.match(part, value, path, container, faults)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return self._match_any(schema, choices, value, path, container, faults)
        value = self._match_type(schema, value, path, container, faults)
        if isinstance(value, str):
            self._match_text(schema, value, path, faults)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self._match_number(schema, value, path, faults)
        elif isinstance(value, list):
            return self._match_list(schema, value, path, faults)
        elif isinstance(value, dict):
            return self._match_mapping(schema, value, path, faults)
        return value

    def _resolve(self, reference: str) -> Any:
        definitions = self._root.get("$defs") or self._root.get("definitions") or {}
        return definitions.get(reference.rsplit("/", 1)[-1])

    def _name(self, path: Path) -> str:
        inner = path[self._base :]
        if not inner:
            return self._owner[:1].upper() + self._owner[1:]
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in inner).lstrip(".")
        return f'Property "{text}" of {self._owner}'

    def _match_type(self, schema: Mapping[str, Any], value: Any, path: Path, container: Any, faults: list[_Fault]) -> Any:
        declared = schema.get("type")
        types = [declared] if isinstance(declared, str) else declared
        if types:
            value, fits = self._fit(types, value, path, container)
            if not fits:
                faults.append(self._wrong_type(schema, value, path))
                return None
        if "const" in schema and value != schema["const"]:
            faults.append(_Fault("wrong-value", f"{self._name(path)} must be {show_value(schema['const'])}.", path))
        if "enum" in schema and not self._is_listed(value, schema["enum"]):
            faults.append(self._not_listed(schema["enum"], value, path))
        return value

    def _fit(self, types: list[str], value: Any, path: Path, container: Any) -> tuple[Any, bool]:
        """Return the value, converted when only its spelling differs, and whether it fits one of the types."""
        if isinstance(value, str):
            if "string" in types:
                return value, True
            return _read_scalar(types, value)
        if isinstance(value, bool):
            if "boolean" in types:
                return value, True
            return ("true" if value else "false", True) if "string" in types else (value, False)
        if isinstance(value, (int, float)):
            if "string" in types:
                written = self._reading.document.find_text(container, path[-1]) if container is not None and path else None
                if written is not None or not {"integer", "number"} & set(types):
                    return written if written is not None else str(value), True
                return value, True
            return value, "number" in types or ("integer" in types and isinstance(value, int))
        if isinstance(value, dict):
            return value, "object" in types
        if isinstance(value, (list, tuple)):
            return value, "array" in types
        return value, value is None and "null" in types

    def _wrong_type(self, schema: Mapping[str, Any], value: Any, path: Path) -> _Fault:
        return _Fault("wrong-type", f"{self._name(path)} must be {_describe(schema)}, but is {show_value(value)}.", path)

    def _is_listed(self, value: Any, listed: list[Any]) -> bool:
        if value in listed:
            return True
        return self._any_case and isinstance(value, str) and value.lower() in {str(item).lower() for item in listed}

    def _not_listed(self, listed: list[Any], value: Any, path: Path) -> _Fault:
        words = [str(item) for item in listed]
        near = suggest_name(str(value), words)
        hint = f'Did you mean "{near}"?' if near else ""
        wanted = list_words(words, last="or", at_most=30)
        return _Fault("wrong-value", f"{self._name(path)} must be {wanted}, but is {show_value(value)}.", path, hint)

    def _match_any(
        self, schema: Mapping[str, Any], choices: list[Any], value: Any, path: Path, container: Any, faults: list[_Fault]
    ) -> Any:
        best: tuple[int, list[_Fault]] | None = None
        for exact in (True, False):
            for choice in choices:
                found: list[_Fault] = []
                if exact and not _is_of_type(choice, value):
                    continue
                result = self.match(choice, value, path, container, found)
                if not found:
                    return result
                depth = max(len(fault.path) for fault in found)
                if exact and depth > len(path) and (best is None or depth > best[0]):
                    best = (depth, found)
        if best is not None:
            faults.extend(best[1])
        else:
            faults.append(self._wrong_type(schema, value, path))
        return value

    def _match_text(self, schema: Mapping[str, Any], value: str, path: Path, faults: list[_Fault]) -> None:
        pattern = schema.get("pattern")
        if pattern is not None and _compile(pattern).search(value) is None:
            wanted = _describe(schema)
            faults.append(_Fault("wrong-value", f"{self._name(path)} must be {wanted}, but is {show_value(value)}.", path))
        if len(value) < schema.get("minLength", 0):
            faults.append(_Fault("empty", f"{self._name(path)} must not be empty.", path))
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            limit = schema["maxLength"]
            faults.append(_Fault("too-long", f"{self._name(path)} may have {limit} characters, but has {len(value)}.", path))
        form = schema.get("format")
        if form == "duration" and pattern is None and not ("$dynamic" in schema and "{" in value):
            try:
                parse_duration(value)
            except DurationError as error:
                faults.append(_Fault("wrong-value", f"{self._name(path)} must be a duration: {error}.", path))
        elif form == "network":
            try:
                ip_network(value.strip(), strict=False)
            except ValueError:
                words = "an address or a network such as 10.0.0.0/8"
                faults.append(_Fault("wrong-value", f"{self._name(path)} must be {words}, but is {show_value(value)}.", path))
        elif form == "regex":
            fault = find_pattern_fault(value)
            if fault is not None:
                faults.append(_Fault("wrong-value", f"{self._name(path)} must be a regular expression: {fault}.", path))

    def _match_number(self, schema: Mapping[str, Any], value: float, path: Path, faults: list[_Fault]) -> None:
        for key, holds, words in (
            ("minimum", operator.ge, "at least"),
            ("maximum", operator.le, "at most"),
            ("exclusiveMinimum", operator.gt, "more than"),
            ("exclusiveMaximum", operator.lt, "less than"),
        ):
            if key in schema and not holds(value, schema[key]):
                faults.append(_Fault("wrong-value", f"{self._name(path)} must be {words} {schema[key]}, but is {value}.", path))

    def _match_list(self, schema: Mapping[str, Any], value: list[Any], path: Path, faults: list[_Fault]) -> list[Any]:
        if len(value) < schema.get("minItems", 0):
            faults.append(_Fault("empty", f"{self._name(path)} must not be empty.", path))
        if "maxItems" in schema and len(value) > schema["maxItems"]:
            limit = schema["maxItems"]
            faults.append(_Fault("too-long", f"{self._name(path)} may have {limit} items, but has {len(value)}.", path))
        items = schema.get("items")
        if not items:
            return value
        changed = [self.match(items, item, (*path, index), value, faults) for index, item in enumerate(value)]
        if all(new is old for new, old in zip(changed, value, strict=True)):
            return value
        self._reading.document.adopt(changed, value)
        return changed

    def _match_mapping(
        self, schema: Mapping[str, Any], value: dict[str, Any], path: Path, faults: list[_Fault]
    ) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        aliases: Mapping[str, str] = schema.get("x-aliases", {})
        others = schema.get("additionalProperties", True)
        required = schema.get("required", ())
        changed: dict[str, Any] = {}
        for written, item in value.items():
            key = aliases.get(written, written)
            here = (*path, written)
            if key != written:
                if key in value:
                    faults.append(
                        _Fault(
                            "duplicate-key",
                            f'{self._name(here)} is the old name of "{key}", which is set too.',
                            here,
                            "Keep one.",
                        )
                    )
                    continue
                self._reading.deprecate(f'{self._name(here)} is an old name of "{key}".', here, hint=f'Write "{key}".')
            if key in properties:
                if item is None and key not in required and not _takes_null(properties[key]):
                    continue
                if item is None and key in required and not _takes_null(properties[key]):
                    faults.append(_Fault("required", f"{self._name(here)} must not be null.", here))
                    continue
                old = properties[key].get("$deprecated") if isinstance(properties[key], Mapping) else None
                if old:
                    self._reading.deprecate(f"{self._name(here)} is deprecated.", here, hint=str(old))
                changed[key] = self.match(properties[key], item, here, value, faults)
            elif others is False:
                if len(faults) < MAX_PROBLEMS:
                    faults.append(self._unknown(written, properties, aliases, path))
            else:
                changed[key] = self.match(others, item, here, value, faults)
        for key in required:
            if key not in value and key not in changed:
                where = self._name(path)
                message = f'{where} must have a property "{key}", which is missing.'
                faults.append(_Fault("required", message, path))
        if changed == value and all(changed[key] is value[key] for key in changed):
            return value
        self._reading.document.adopt(changed, value)
        return changed

    def _unknown(self, key: str, properties: Mapping[str, Any], aliases: Mapping[str, str], path: Path) -> _Fault:
        names = sorted(properties)
        listed = self._root.get("x-listed", names) if len(path) == self._base else names
        near = suggest_name(key, [*names, *aliases])
        near = aliases.get(near, near) if near else None
        where = self._name(path)
        message = f'Unrecognized field "{key}": {where[:1].lower() + where[1:]} has no such property.'
        hint = f'Did you mean "{near}"? ' if near else ""
        hint += f"It takes {list_words(listed, at_most=40)}." if listed else "It takes no properties of its own."
        return _Fault("unknown-property", message, (*path, key), hint, of_key=True)


def find_pattern_fault(pattern: str) -> str | None:
    """Return why `pattern` is no regular expression, or None when it is one."""
    try:
        _compile(pattern)
    except re.error as error:
        return str(error)
    except (RecursionError, OverflowError):
        return "it is nested too deeply"
    return None


@lru_cache(maxsize=2048)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _read_scalar(types: list[str], text: str) -> tuple[Any, bool]:
    stripped = text.strip()
    if "boolean" in types and stripped.lower() in _BOOLEAN_TEXTS:
        return _BOOLEAN_TEXTS[stripped.lower()], True
    if len(stripped) <= 40:
        if ("integer" in types or "number" in types) and re.fullmatch(r"[-+]?[0-9]+", stripped):
            return int(stripped), True
        if "number" in types and re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]{1,2})?", stripped):
            return float(stripped), True
    return text, False


def _takes_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not {"type", "anyOf", "oneOf", "enum", "const", "$ref"} & schema.keys():
        return True
    declared = schema.get("type")
    if declared == "null" or (isinstance(declared, list) and "null" in declared):
        return True
    return any(_takes_null(choice) for key in ("anyOf", "oneOf") for choice in schema.get(key, ()))


def _is_of_type(schema: Any, value: Any) -> bool:
    """Whether the value has one of the declared types as it stands, without any conversion."""
    if not isinstance(schema, Mapping) or "type" not in schema:
        return True
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int):
        return "integer" in types or "number" in types
    for kind, name in ((str, "string"), (float, "number"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name in types
    return "null" in types


def _describe(schema: Mapping[str, Any]) -> str:
    """Return in words what a schema takes: `an integer or an expression`."""
    words: list[str] = []
    for choice in schema.get("anyOf") or schema.get("oneOf") or [schema]:
        word = _describe_one(choice) if isinstance(choice, Mapping) else ""
        if word and word not in words:
            words.append(word)
    if "$dynamic" in schema and "an expression" not in words and not any(word == "a text" for word in words):
        words.append("an expression")
    return list_words(words, last="or") or "something else"


def _describe_one(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return list_words([str(item) for item in schema["enum"]], last="or", at_most=30)
    if schema.get("format") == "duration":
        return "a duration such as PT10S"
    if "x-words" in schema:
        return str(schema["x-words"])
    if "pattern" in schema:
        return "an expression" if r"\{\{" in schema["pattern"] else f"a text that matches {schema['pattern']}"
    declared = schema.get("type", [])
    types = [declared] if isinstance(declared, str) else declared
    if set(types) >= {"string", "number", "boolean"}:
        types = ["string"]
    return list_words([_IN_WORDS.get(kind, kind) for kind in types], last="or")
