"""
Typed properties of plugins: one class gives the schema for the editor and the converted values for a run.

A property is `Prop[T]` (a literal or a template), `Static[T]` (used as written) or `Secret[T]` (like Prop, never echoed).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from flows.plugin_api.property_errors import HIDDEN, PropertyError, PropertyTemplateError, gather_faults, name_property
from flows.plugin_api.schemas import flatten_schema, with_text_forms
from flows.plugin_api.value_types import Duration, FileMap, JsonOrText, Moment, StorageUri, Text, as_text, read_json_text
from flows.primitives.errors import FlowsError

__all__ = [
    "HIDDEN",
    "Duration",
    "Field",
    "FileMap",
    "JsonOrText",
    "Mark",
    "Moment",
    "Output",
    "Prop",
    "Properties",
    "PropertyError",
    "PropertyTemplateError",
    "Secret",
    "Static",
    "StorageUri",
    "Text",
    "load_properties",
    "render_value",
    "schema_of",
]

T = TypeVar("T")
P = TypeVar("P", bound="Properties")


def _yaml_name(name: str) -> str:
    """Return the YAML spelling of a Python name; `from_` and `in_` avoid Python's own words."""
    return to_camel(name.rstrip("_"))


def _title(name: str, _info: Any) -> str:
    return name.rstrip("_").replace("_", " ").capitalize()


class Properties(BaseModel):
    """
    Base of all property classes. Only the camelCase names are known in YAML; unknown names are refused at save.

    Every field is `Prop[...]`, `Static[...]`, `Secret[...]`, or a nested `Properties` class, alone, in a list or as map values.
    """

    model_config = ConfigDict(
        alias_generator=_yaml_name,
        field_title_generator=_title,
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )


class Output(BaseModel):
    """
    Base of all outputs: Python names in code, camelCase when stored.

    `final_state` (`WARNING` or `FAILED`) asks the engine for another end state than SUCCESS; it is not stored.
    """

    model_config = ConfigDict(
        alias_generator=_yaml_name,
        field_title_generator=_title,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )

    final_state: str | None = Field(default=None, exclude=True)

    def dump(self) -> dict[str, Any]:
        """Return the output as JSON-ready data by YAML name, without what was neither set nor has a value."""
        data = self.model_dump(mode="json", by_alias=True)
        chosen = self.model_fields_set
        for name, info in type(self).model_fields.items():
            key = info.alias or name
            if name not in chosen and data.get(key, True) is None:
                del data[key]
        return data


@dataclass(frozen=True, slots=True)
class _Written:
    """How a property may be written: `rendered` before use or not, `secret` or not."""

    rendered: bool
    secret: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        convert = _conversion_for(source)
        return inner if convert is None else core_schema.no_info_before_validator_function(convert, inner)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shape = with_text_forms(handler(schema), rendered=self.rendered)
        if self.rendered:
            shape["$dynamic"] = True
        if self.secret:
            shape["$secret"] = True
        return shape


Prop = Annotated[T, _Written(rendered=True)]
"""A literal of the type, or a template whose result is converted to it."""

Static = Annotated[T, _Written(rendered=False)]
"""Used exactly as written. The engine or the task itself may render it later."""

Secret = Annotated[T, _Written(rendered=True, secret=True)]
"""Like `Prop`; shown as a password field and never repeated in a message."""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    Notes for editor and pages, put beside a property: `Annotated[Prop[str], Mark(language="sql")]`.

    `dynamic` marks a `Static` property as one that whoever uses it renders later.
    """

    language: str = ""
    deprecated: str = ""
    group: str = ""
    dynamic: bool = False

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shape = handler(schema)
        if self.dynamic:
            shape = with_text_forms(shape, rendered=True)
            shape["$dynamic"] = True
        for name in ("language", "deprecated", "group"):
            if text := getattr(self, name):
                shape[f"${name}"] = text
        return shape


def _members(declared: Any) -> tuple[Any, ...]:
    """Return the members of a union, unwrapped from their annotations, without None; other types alone."""
    origin = get_origin(declared)
    if origin is Annotated:
        return _members(get_args(declared)[0])
    if origin in (Union, types.UnionType):
        return tuple(m for arg in get_args(declared) if arg is not type(None) for m in _members(arg))
    return (declared,)


def _is_text_like(declared: Any) -> bool:
    if isinstance(declared, type):
        return issubclass(declared, str) or (issubclass(declared, Enum) and all(isinstance(m.value, str) for m in declared))
    return get_origin(declared) is Literal and all(isinstance(arg, str) for arg in get_args(declared))


def _is_container(declared: Any) -> bool:
    origin = get_origin(declared) or declared
    return isinstance(origin, type) and issubclass(origin, list | dict | tuple | Mapping | Properties)


def _conversion_for(declared: Any) -> Callable[[Any], Any] | None:
    """Return the conversion from text that pydantic does not do itself, or None when none is needed."""
    members = _members(declared)
    words = [str(w) for m in members if _is_text_like(m) and m is not str for w in _words(m)]
    if words and str not in members:
        return _word_matcher(tuple(words))
    if members == (str,):
        return as_text
    if str not in members and any(_is_container(m) for m in members):
        return read_json_text
    return None


def _words(declared: Any) -> list[str]:
    if isinstance(declared, type):
        return [member.value for member in declared] if issubclass(declared, Enum) else []
    return list(get_args(declared))


def _word_matcher(words: tuple[str, ...]) -> Callable[[Any], Any]:
    by_lower = {word.lower(): word for word in words}

    def match(value: Any) -> Any:
        if isinstance(value, str) and value not in words:
            return by_lower.get(value.strip().lower(), value)
        return value

    return match


def schema_of(model: type[BaseModel], *, mode: Literal["validation", "serialization"] = "validation") -> dict[str, Any]:
    """
    Return the JSON schema of a property or output class, references resolved in place.

    Optional properties do not list `null`: a null counts as absent everywhere. Marks start with `$`: `$dynamic`, `$secret`,
    `$language`, `$deprecated`, `$group`, `$storageUri`.
    """
    if mode == "validation" and issubclass(model, Properties):
        _plan_of(model)
    schema = model.model_json_schema(by_alias=True, mode=mode)
    flat = cast("dict[str, Any]", flatten_schema(schema, schema.pop("$defs", {})))
    flat.pop("title", None)
    flat.pop("description", None)
    flat.get("properties", {}).pop("finalState", None)
    return flat


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one property is prepared for a run: rendered or not, typed or as text, or by the plan of a nested class."""

    rendered: bool
    typed: bool = False
    secret: bool = False
    nested: type[Properties] | None = None
    container: type | None = None


@cache
def _plan_of(model: type[Properties]) -> dict[str, _Plan]:
    """Return the plan of every property by YAML name. Raises TypeError for a field declared in no known way."""
    return {str(info.alias or name): _plan_field(model, name, info) for name, info in model.model_fields.items()}


def _plan_field(model: type[Properties], name: str, info: FieldInfo) -> _Plan:
    written = next((m for m in info.metadata if isinstance(m, _Written)), None) or _find_written(info.annotation)
    if written is not None:
        members = _members(info.annotation)
        typed = not any(_is_text_like(m) for m in members)
        return _Plan(rendered=written.rendered, typed=typed, secret=written.secret)
    for member in _members(info.annotation):
        container = get_origin(member)
        inner = get_args(member)[-1] if container else member
        if isinstance(inner, type) and issubclass(inner, Properties):
            return _Plan(rendered=False, nested=inner, container=container)
    raise TypeError(f'Property "{name}" of {model.__qualname__} must be declared as Prop, Static, Secret or a Properties class.')


def _find_written(declared: Any) -> _Written | None:
    if get_origin(declared) is Annotated:
        for mark in get_args(declared)[1:]:
            if isinstance(mark, _Written):
                return mark
        return _find_written(get_args(declared)[0])
    if get_origin(declared) in (Union, types.UnionType):
        return next((found for arg in get_args(declared) if (found := _find_written(arg)) is not None), None)
    return None


def render_value(text: str, render: Callable[..., Any]) -> Any:
    """Return what a text renders to: the value itself when it is exactly one expression, text otherwise."""
    bare = text.strip()
    if bare.startswith("{{") and bare.endswith("}}") and bare.find("{{", 2) < 0 and "{%" not in bare:
        return render(bare, typed=True)
    return render(text)


def load_properties(model: type[P], raw: Mapping[str, Any], render: Callable[..., Any]) -> P:
    """
    Render and convert the written properties of a task or trigger for one run.

    Args:
        model: the property class.
        raw: properties by YAML name, as written. Names that the class does not have are dropped, as a stored flow may be older
            or newer than the plugin.
        render: `render(value, typed=False)`; called for texts and for maps and lists that may hold templates. Called with
            `typed=True` for a single expression whose property is not declared as text, so that its value keeps its type.

    Returns:
        A frozen instance. A null, written or rendered, counts as absent.

    Raises:
        PropertyError: a required property is missing or a value does not fit its type; several faults are in `problems`.
        PropertyTemplateError: `render` raised a FlowsError; the message names the property before it.
    """
    values = _prepare(_plan_of(model), raw, render)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        plans = _plan_of(model)
        nested = {key for key, plan in plans.items() if plan.nested is not None}
        secret = {key for key, plan in plans.items() if plan.secret}
        raise gather_faults(error, raw, nested=nested, secret=secret) from None


def _prepare(plans: Mapping[str, _Plan], raw: Mapping[str, Any], render: Callable[..., Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in raw.items():
        plan = plans.get(key)
        if plan is None or value is None:
            continue
        try:
            if plan.rendered:
                if type(value) is str:
                    if "{" in value:
                        value = render_value(value, render) if plan.typed else render(value)
                elif isinstance(value, dict | list | tuple | Mapping):
                    value = render(value)
                if value is None:
                    continue
            elif plan.nested is not None:
                value = _prepare_nested(plan, value, render)
        except FlowsError as error:
            raise name_property(error, key) from error
        values[key] = value
    return values


def _prepare_nested(plan: _Plan, value: Any, render: Callable[..., Any]) -> Any:
    """Prepare nested objects by their own plan; text is rendered and read as JSON."""
    if isinstance(value, str):
        value = read_json_text(render_value(value, render) if "{" in value else value)
    inner = _plan_of(cast("type[Properties]", plan.nested))
    if isinstance(value, Mapping):
        if plan.container is dict:
            return {k: _prepare(inner, v, render) if isinstance(v, Mapping) else v for k, v in value.items()}
        return _prepare(inner, value, render)
    if isinstance(value, list | tuple):
        return [_prepare(inner, v, render) if isinstance(v, Mapping) else v for v in value]
    return value
