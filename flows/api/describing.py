"""What the OpenAPI document says about a function of the API, declared right at the function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from flows.queries.criteria import Operation

Schema = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

JSON_TYPE = "application/json"
YAML_TYPE = "application/x-yaml"
FORM_TYPE = "multipart/form-data"
STREAM_TYPE = "text/event-stream"

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}
OBJECT: Schema = {"type": "object", "additionalProperties": True}
BYTES: Schema = {"type": "string", "format": "binary"}


def ref(name: str) -> Schema:
    """Return the reference to an object of `flows/api/schema/objects.py`."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(item: Schema | str) -> Schema:
    """Return the schema of a list; `item` is a schema or the name of an object."""
    return {"type": "array", "items": ref(item) if isinstance(item, str) else item}


def page_of(item: Schema | str) -> Schema:
    """Return the schema of one page of a list."""
    properties = {"results": list_of(item), "total": {"type": "integer", "minimum": 0}}
    return {"type": "object", "required": ["results", "total"], "properties": properties}


def map_of(item: Schema | str) -> Schema:
    """Return the schema of an object whose keys are free and whose values are all of one kind."""
    return {"type": "object", "additionalProperties": ref(item) if isinstance(item, str) else item}


def object_of(required: Sequence[str] = (), **properties: Schema) -> Schema:
    """Return the schema of an object; further keys are allowed, because clients ignore them."""
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    return found


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the query or one header. `many` values come as repeated keys."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: TEXT)
    required: bool = False
    many: bool = False
    where: Literal["query", "header"] = "query"


PAGING = (
    Value("page", "Number of the page, from 1.", {"type": "integer", "minimum": 1, "default": 1}),
    Value("size", "Rows of a page.", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10}),
)


QUERY = Value("q", "Part of the text, in any letter case.")
NAMESPACE = Value("namespace", "Only this namespace and what is below it.")
REVISION = Value("revision", "A number; the newest one when missing.", {"type": "integer", "minimum": 1})
LABELS = Value("labels", "A label as `key:value`.", many=True)
DRAFT = Value("draft", "Whether the text is only kept: executions and triggers go on with the newest published revision.", FLAG)
DELETE_OTHERS = Value("delete", "Whether flows that are not sent are deleted.", FLAG)
DELETE_PARTS = (
    Value("deleteLogs", "Whether log lines go, too.", FLAG),
    Value("deleteMetrics", "Whether metrics go, too.", FLAG),
    Value("deleteStorage", "Whether files go, too.", FLAG),
)
ALSO_RUNNING = Value("includeNonTerminated", "Whether executions that still run are taken.", FLAG)
LEVEL_VALUE = Value(
    "minLevel", "Only lines at least this severe.", {"type": "string", "enum": ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]}
)
FILE_PATH = Value("path", "Path from the root of the namespace.", required=True)
FOLDER_PATH = Value("path", "Path from the root of the namespace; the root when missing.")
AROUND = (
    Value("destinationOnly", "Without those that come before.", FLAG),
    Value("expandAll", "Also those around those.", FLAG),
)
DATE_MEANING = Value(
    "dateFilter", "What the dates mean.", {"type": "string", "enum": ["NEXT_EXECUTION_DATE", "LAST_TRIGGERED_DATE"]}
)
FLOW_BODIES: Mapping[str, Schema] = {YAML_TYPE: TEXT, JSON_TYPE: OBJECT}
YAML_BODIES: Mapping[str, Schema] = {YAML_TYPE: TEXT}


def sorting(names: Collection[str]) -> Value:
    """Return the value `sort` over some fields."""
    words = [f"{name}:{direction}" for name in sorted(names) for direction in ("asc", "desc")]
    return Value(
        "sort",
        "A field and a direction, such as `id:asc`; several are applied in turn.",
        {"type": "string", "enum": words},
        many=True,
    )


def filtering(names: Collection[str]) -> tuple[Value, ...]:
    """Return the filters over some fields. Every operation is possible in the place of the last word, groups too."""
    words = ", ".join(Operation)
    return tuple(
        Value(
            f"filters[{name}][EQUALS]" if name != "labels" else "filters[labels][EQUALS][KEY]",
            f"Only rows with this {name}. Instead of EQUALS: {words}. Groups: `filters[and][0][{name}][EQUALS]`.",
        )
        for name in sorted(names)
    )


@dataclass(frozen=True, slots=True)
class Description:
    """
    What is declared of one function.

    `body` and the values of `answers` map a media type to a schema; an answer of None has no body. The section of the document
    follows from the module of the function.
    """

    values: tuple[Value, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    needs_body: bool = True
    answers: Mapping[int, Mapping[str, Schema] | None] = field(default_factory=dict)
    is_deprecated: bool = False


def describes(
    *values: Value | Sequence[Value],
    answer: Schema | str | Mapping[int, Any] | None = None,
    media: str = JSON_TYPE,
    body: Schema | str | Mapping[str, Schema] | None = None,
    needs_body: bool = True,
    is_deprecated: bool = False,
) -> Callable[[F], F]:
    """
    Declare what a function of the API takes and answers.

    Args:
        values: what it reads of query and headers, one by one or in groups.
        answer: schema or name of the object of a 200, a map of media type to schema, None for an empty 200, or a map of status
            to one of these.
        media: media type of the answer of a 200.
        body: schema or name of the JSON body, or a map of media type to schema.
        needs_body: whether a call without body is refused.
    """
    flat = tuple(one for value in values for one in ([value] if isinstance(value, Value) else value))
    # `_is_by_status` says what it is.
    by_status: Mapping[int, Any] = answer if _is_by_status(answer) else {HTTPStatus.OK: answer}  # type: ignore[assignment]
    answers = {int(status): _as_content(schema, media) for status, schema in by_status.items()}
    bodies: Mapping[str, Schema]
    if body is None:
        bodies = {}
    elif isinstance(body, str) or not any("/" in key for key in body):
        bodies = {JSON_TYPE: ref(body) if isinstance(body, str) else body}
    else:
        bodies = body
    description = Description(flat, bodies, needs_body, answers, is_deprecated)

    def attach(function: F) -> F:
        function.api_description = description  # type: ignore[attr-defined]  # read by `schema`
        return function

    return attach


def _is_by_status(answer: Any) -> bool:
    return isinstance(answer, Mapping) and bool(answer) and all(isinstance(key, int) for key in answer)


def _as_content(schema: Any, media: str) -> Mapping[str, Schema] | None:
    if schema is None:
        return None
    if not isinstance(schema, str) and any("/" in key for key in schema):
        return dict(schema)
    return {media: ref(schema) if isinstance(schema, str) else schema}
