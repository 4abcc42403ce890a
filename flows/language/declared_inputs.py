"""The inputs that a flow, a Pause or an Approval declares: YAML to `Input` values. Values of executions are not met here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.language import definitions
from flows.language.elements import check_name
from flows.language.flow import Input
from flows.language.input_values import convert_value
from flows.language.plain_values import InputValueError
from flows.language.reading import Reading, suggest_name
from flows.language.shapes import check_shape
from flows.language.source import Path
from flows.primitives.identifiers import NameKind
from flows.primitives.problems import Severity

_COMMON = frozenset(definitions.INPUT_COMMON)
_CHILDREN = {"FORM": "inputs", "OBJECT": "properties", "TABLE": "columns"}


def read_inputs(reading: Reading, value: Any, path: Path) -> tuple[Input, ...]:
    """
    Return the declared inputs in their order and report what is wrong with them, also across them.

    Source: flow language, 3.1 to 3.4 and rules 3, 4 and 7 of 2.4.
    """
    found = _read_list(reading, value, path, "input", definitions.INPUT_TYPES)
    _check_dependencies(reading, found, path)
    check_levels(reading, [name for name, _ in list_flat(found)], "input", path)
    return found


def check_levels(reading: Reading, names: list[str], noun: str, path: Path) -> None:
    """Report an id that is also a level of another one: `a` beside `a.b` cannot both have a value."""
    levels = {".".join(steps[:count]): name for name in names for steps in [name.split(".")] for count in range(1, len(steps))}
    for name in names:
        if name in levels:
            reading.report(
                "overlapping-id",
                f'The {noun} "{name}" cannot have a value of its own, because the {noun} "{levels[name]}" makes it a mapping.',
                path,
                hint="Rename one of the two.",
            )


def list_flat(inputs: tuple[Input, ...], prefix: str = "") -> Iterator[tuple[str, Input]]:
    """Yield every input that holds a value, with its dotted id: the fields of forms instead of the forms."""
    for item in inputs:
        if item.type in {"FORM", "REUSABLE_INPUTS"}:
            yield from list_flat(item.children, f"{prefix}{item.id}.")
        else:
            yield f"{prefix}{item.id}", item


def _read_list(reading: Reading, value: Any, path: Path, noun: str, types: tuple[str, ...]) -> tuple[Input, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        reading.report("wrong-type", f"The {noun}s must be a list.", path)
        return ()
    found: list[Input] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        one = _read_one(reading, item, (*path, index), noun, types)
        if one is None:
            continue
        if one.id in seen:
            reading.report(
                "duplicate-input", f"Duplicate {noun} with name [{one.id}].", (*path, index), hint="Rename one of the two."
            )
        seen.add(one.id)
        found.append(one)
    return tuple(found)


def _read_one(reading: Reading, value: Any, path: Path, noun: str, types: tuple[str, ...]) -> Input | None:
    if not isinstance(value, dict):
        reading.report("wrong-type", f"Every {noun} must be a mapping with id and type.", path)
        return None
    name = value.get("id", value.get("name"))
    id_path = (*path, "id" if "id" in value else "name")
    owner = f'{noun} "{name}"' if isinstance(name, str) else f"the {noun} without id"
    kind = value.get("type")
    if kind is not None and kind not in types:
        _report_unknown_type(reading, str(kind), types, owner, (*path, "type"))
        check_name(reading, NameKind.INPUT, name, id_path)
        return None
    shape = definitions.INPUT_SHAPES[kind] if kind else definitions.UNTYPED_INPUT
    _report_old_types(reading, kind, owner, path)
    checked = check_shape(reading, shape, value, path, owner)
    if not isinstance(checked, dict) or not isinstance(checked.get("id"), str):
        return None
    check_name(reading, NameKind.INPUT, checked["id"], id_path)
    options = {key: item for key, item in checked.items() if key not in _COMMON}
    _check_options(reading, kind, options, owner, path)
    children = _take_children(reading, kind, options, owner, path, noun)
    depends_on, condition = _read_dependency(reading, checked.get("dependsOn"), path)
    for key in ("defaults", "prefill"):
        reading.check_expressions(checked.get(key), (*path, key))
    reading.check_expressions(options.get("expression"), (*path, "expression"))
    found = Input(
        id=checked["id"],
        type=kind,
        required=bool(checked.get("required", True)),
        has_default="defaults" in value,
        default=checked.get("defaults"),
        prefill=checked.get("prefill"),
        description=checked.get("description"),
        display_name=checked.get("displayName"),
        depends_on=depends_on,
        depends_condition=condition,
        options=options,
        children=children,
    )
    _check_default(reading, found, owner, (*path, "defaults"))
    return found


def _report_unknown_type(reading: Reading, kind: str, types: tuple[str, ...], owner: str, path: Path) -> None:
    near = suggest_name(kind, types)
    reading.report(
        "invalid-type",
        f"Invalid type: {kind}. {owner[:1].upper()}{owner[1:]} must have one of the types {', '.join(types)}.",
        path,
        hint=f'Did you mean "{near}"?' if near else "",
    )


def _take_children(reading: Reading, kind: Any, options: dict[str, Any], owner: str, path: Path, noun: str) -> tuple[Input, ...]:
    """Take the inputs that a form, object or table is made of out of its options and return them; other types have none."""
    if kind not in _CHILDREN:
        return ()
    name = _CHILDREN[kind]
    allowed = definitions.COLUMN_TYPES
    if kind == "FORM":
        allowed = tuple(word for word in definitions.INPUT_TYPES if word not in {"FORM", "REUSABLE_INPUTS"})
    children = _read_list(reading, options.pop(name, None), (*path, name), noun, allowed)
    if kind != "FORM":
        _check_columns(reading, children, owner, (*path, name))
    return children


def _read_dependency(reading: Reading, value: Any, path: Path) -> tuple[tuple[str, ...], Any]:
    """Return the names of the inputs that `dependsOn` names, and its condition."""
    depends = value if isinstance(value, dict) else {}
    names = depends.get("inputs")
    condition = depends.get("condition")
    reading.check_expressions(condition, (*path, "dependsOn", "condition"))
    return tuple(item for item in names if isinstance(item, str)) if isinstance(names, list) else (), condition


def _check_default(reading: Reading, declared: Input, owner: str, path: Path) -> None:
    is_free = declared.type in {None, "FILE", "FORM", "REUSABLE_INPUTS"} or "expression" in declared.options
    if declared.default is not None and not is_free and not _has_template(declared.default):
        _check_literal(reading, declared, declared.default, owner, path)


def _report_old_types(reading: Reading, kind: Any, owner: str, path: Path) -> None:
    newer = {"BOOLEAN": "BOOL", "ENUM": "SELECT"}.get(kind)
    if newer:
        reading.report(
            "deprecated",
            f"The type {kind} of {owner} is deprecated.",
            (*path, "type"),
            hint=f"Write {newer}.",
            severity=Severity.DEPRECATION,
        )
    elif kind is None:
        reading.report(
            "deprecated",
            f"{owner[:1].upper()}{owner[1:]} has no type; its value is taken as it comes.",
            path,
            hint="Add a type such as STRING.",
            severity=Severity.DEPRECATION,
        )


def _check_options(reading: Reading, kind: Any, options: Mapping[str, Any], owner: str, path: Path) -> None:
    if kind in {"SELECT", "MULTISELECT"}:
        if "values" in options and "expression" in options:
            reading.report("conflict", f'{owner} has both "values" and "expression".', path, hint="Keep one of the two.")
        if "values" not in options and "expression" not in options:
            reading.report("required", f'{owner} of type {kind} must have "values" or "expression".', path)
    for key in ("after", "before"):
        if isinstance(options.get(key), str):
            _check_literal(reading, Input(id=key, type=kind), options[key], owner, (*path, key))
    if kind == "REUSABLE_INPUTS":
        reading.report(
            "ignored-property",
            f"{owner[:1].upper()}{owner[1:]} asks for nothing: inputs that several flows share are not available.",
            path,
            hint="Write the inputs out.",
            severity=Severity.WARNING,
        )
    _check_bounds(reading, options, owner, path)
    if isinstance(options.get("rows"), dict):
        _check_bounds(reading, options["rows"], f'"rows" of {owner}', (*path, "rows"))


def _check_bounds(reading: Reading, options: Mapping[str, Any], owner: str, path: Path) -> None:
    low, high = options.get("min"), options.get("max")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        reading.report("bounds", f'{owner} has a "min" of {low}, which is more than its "max" of {high}.', (*path, "min"))


def _check_literal(reading: Reading, declared: Input, value: Any, owner: str, path: Path) -> None:
    """Report a bound or default that is no expression and that its own type would refuse in every execution."""
    try:
        convert_value(declared, value)
    except InputValueError as fault:
        reading.report("invalid-default", f'Property "{path[-1]}" of {owner} does not fit: {fault.reason}.', path)


def _has_template(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_has_template(item) for item in items)


def _check_columns(reading: Reading, children: tuple[Input, ...], owner: str, path: Path) -> None:
    for index, child in enumerate(children):
        refused = [
            name
            for name, present in (
                ("defaults", child.has_default),
                ("prefill", child.prefill is not None),
                ("dependsOn", bool(child.depends_on or child.depends_condition)),
                ("expression", "expression" in child.options),
            )
            if present
        ]
        if refused:
            reading.report(
                "unknown-property",
                f'"{child.id}" of {owner} may not have {" or ".join(refused)}.',
                (*path, index),
                hint="Remove it.",
            )


def _check_dependencies(reading: Reading, inputs: tuple[Input, ...], path: Path) -> None:
    """Report names of inputs that do not exist, and circles."""
    places = {item.id: (*path, index) for index, item in enumerate(inputs)}
    graph: dict[str, tuple[str, ...]] = {}
    known = {name for name, _ in list_flat(inputs)} | set(places)
    for item in inputs:
        for name, inner in [
            (item.id, item),
            *((f"{item.id}.{child.id}", child) for child in item.children if item.type == "FORM"),
        ]:
            graph[name] = inner.depends_on
            for wanted in inner.depends_on:
                if wanted not in known:
                    near = suggest_name(wanted, known)
                    reading.report(
                        "unknown-input",
                        f'Input "{name}" depends on "{wanted}", which is no input.',
                        (*places[item.id], "dependsOn", "inputs"),
                        hint=f'Did you mean "{near}"?' if near else "",
                    )
    circle = find_circle(graph)
    if circle:
        reading.report(
            "dependency-cycle",
            f"Cyclic dependency detected between inputs: {', '.join(circle)}.",
            places.get(circle[0].split(".")[0], path) if circle[0] not in places else places[circle[0]],
            hint="Remove one of the dependencies.",
        )


def find_circle(graph: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names of a circle in the order of the graph, empty when there is none. Unknown names are passed over."""
    done: set[str] = set()
    for start in graph:
        trail: dict[str, None] = {}
        stack: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            trail[start] = None
            stack.append((start, iter(graph[start])))
        while stack:
            name, rest = stack[-1]
            following = next((other for other in rest if other in graph and other not in done), None)
            if following is None:
                done.add(name)
                stack.pop()
                del trail[name]
            elif following in trail:
                names = list(trail)
                members = set(names[names.index(following) :])
                return [other for other in graph if other in members]
            else:
                trail[following] = None
                stack.append((following, iter(graph[following])))
    return []
