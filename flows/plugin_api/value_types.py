"""Value types that plugins share: durations, moments, storage addresses, file maps, and text that YAML read as a number."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from flows.plugin_api.schemas import SCALARS, TEMPLATE
from flows.primitives.durations import DurationError, format_duration, parse_duration


def as_text(value: Any) -> Any:
    """Return scalars as the text that YAML wrote; anything else unchanged, for pydantic to judge."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def read_json_text(value: Any) -> Any:
    """Return the value of JSON text; text that is none, and other values, unchanged."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


class _TextType:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(as_text, core_schema.str_schema(coerce_numbers_to_str=True))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": list(SCALARS)}


Text = Annotated[str, _TextType]
"""Text inside a list or map, where YAML may have written a number or boolean."""


def _read_duration(value: Any) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float | str):
        raise ValueError("expected a duration such as PT10S, or a number of seconds")
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip()):
        value = float(value)
    try:
        return parse_duration(value)
    except DurationError:
        raise ValueError("expected a duration such as PT10S, PT1H30M or P1D, or a number of seconds") from None


_SECONDS = re.compile(r"[-+]?\d+(\.\d+)?")


class _DurationType:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read_duration, serialization=core_schema.plain_serializer_function_ser_schema(format_duration)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        iso = r"^\s*[-+]?[Pp]([-+]?\d+[Dd])?([Tt]([-+]?\d+[Hh])?([-+]?\d+[Mm])?([-+]?\d+([.,]\d+)?[Ss])?)?\s*$"
        return {"anyOf": [{"type": "string", "format": "duration", "pattern": iso}, {"type": "number"}]}


Duration = Annotated[timedelta, _DurationType]
"""ISO-8601 text (days to seconds) or a number of seconds; a timedelta in code."""


def _read_moment(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(re.sub(r"\[[^\]]*\]$", "", value.strip()))
        except ValueError:
            raise ValueError("expected a date-time such as 2031-05-04T10:00:00Z") from None
    if not isinstance(value, datetime):
        raise ValueError("expected a date-time such as 2031-05-04T10:00:00Z")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class _MomentType:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read_moment, serialization=core_schema.plain_serializer_function_ser_schema(datetime.isoformat)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


Moment = Annotated[datetime, _MomentType]
"""A date-time with offset; one without is taken as UTC. Always aware in code."""


def _check_storage_uri(value: str) -> str:
    if not value.startswith(("kestra://", "nsfile://", "file://")):
        raise ValueError("expected the address of a stored file, such as kestra:///..., nsfile:///... or file:///...")
    return value


class _StorageUriType:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_check_storage_uri, core_schema.str_schema(strip_whitespace=True))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "uri", "$storageUri": True, "pattern": rf"^\s*(kestra|nsfile|file)://|{TEMPLATE}"}


StorageUri = Annotated[str, _StorageUriType]
"""Address of a stored file: `kestra://`, `nsfile://` or `file://`."""

JsonOrText = Any
"""A map, a list or a scalar; text stays text unless it is one expression that gives a value."""


def _stays_below(name: Any) -> bool:
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    return not name.startswith(("/", "./")) and ".." not in name.split("/")


def _read_file_map(value: Any) -> Any:
    value = read_json_text(value)
    if not isinstance(value, Mapping):
        return value
    for name in value:
        if not _stays_below(name):
            raise ValueError(f'the file name "{name}" must be relative and stay below the working directory')
    return {name: content for name, content in value.items() if content is not None}


FileMap = Annotated[dict[str, Text], BeforeValidator(_read_file_map)]
"""Files to write before a run: relative path to text content or storage address. JSON text is accepted; null is skipped."""
