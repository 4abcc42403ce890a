"""Property classes: the schema that they give the editor and the values that they give a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from timeit import repeat
from typing import Annotated, Any, Literal

import pytest

from flows.plugin_api.fields import (
    Duration,
    Field,
    FileMap,
    Mark,
    Moment,
    Output,
    Prop,
    Properties,
    PropertyError,
    Secret,
    Static,
    StorageUri,
    Text,
    load_properties,
    schema_of,
)  # fmt: skip

VALUES = {"n": 12, "text": "abc", "yes": True, "list": [1, 2], "map": {"a": 1}, "none": None, "wait": timedelta(seconds=5)}


def render(value: Any, *, typed: bool = False) -> Any:
    """Replace `{{ name }}` by a value: as it is when typed, as text otherwise."""
    if isinstance(value, Mapping):
        return {key: render(item) for key, item in value.items()}
    if isinstance(value, list):
        return [render(item) for item in value]
    if not isinstance(value, str):
        return value
    if typed:
        return VALUES[value.strip("{ }")]
    for name, found in VALUES.items():
        value = value.replace(f"{{{{ {name} }}}}", str(found))
    return value


class Part(Properties):
    kind: Prop[Literal["ONE", "TWO"]] = "ONE"
    script: Static[str] = ""


class Everything(Properties):
    text: Prop[str] | None = None
    number: Prop[int] = Field(default=3, ge=0)
    ratio: Prop[float] | None = None
    is_on: Prop[bool] | None = None
    level: Prop[Literal["INFO", "WARN"]] = "INFO"
    wait: Prop[Duration] | None = None
    at: Prop[Moment] | None = None
    names: Prop[list[Text]] | None = None
    facts: Prop[dict[str, Any]] | None = None
    anything: Prop[Any] = None
    either: Prop[str | list[Text]] | None = None
    uri: Prop[StorageUri] | None = None
    files: Prop[FileMap] | None = None
    password: Secret[str] | None = None
    condition: Annotated[Static[str], Mark(dynamic=True)] = ""
    from_: Prop[str] | None = None
    parts: list[Part] = Field(default=[])
    part: Part | None = None


def load(**raw: Any) -> Everything:
    return load_properties(Everything, raw, render)


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("text", "a {{ n }}", "a 12"),
        ("text", 5, "5"),
        ("text", True, "true"),
        ("number", "{{ n }}", 12),
        ("number", "7", 7),
        ("ratio", "1.5", 1.5),
        ("isOn", "{{ yes }}", True),
        ("isOn", "false", False),
        ("level", "warn", "WARN"),
        ("wait", "PT5S", timedelta(seconds=5)),
        ("wait", "pt1m", timedelta(minutes=1)),
        ("wait", 90, timedelta(seconds=90)),
        ("wait", "{{ wait }}", timedelta(seconds=5)),
        ("at", "2031-05-04T10:00:00Z", datetime(2031, 5, 4, 10, tzinfo=UTC)),
        ("at", "2031-05-04T10:00:00", datetime(2031, 5, 4, 10, tzinfo=UTC)),
        ("names", ["a", 1, True, "{{ n }}"], ["a", "1", "true", "12"]),
        ("names", '["a", "b"]', ["a", "b"]),
        ("names", "{{ list }}", ["1", "2"]),
        ("facts", {"deep": ["{{ n }}", 1]}, {"deep": ["12", 1]}),
        ("facts", '{"a": 1}', {"a": 1}),
        ("facts", "{{ map }}", {"a": 1}),
        ("anything", "{{ list }}", [1, 2]),
        ("anything", "n is {{ n }}", "n is 12"),
        ("either", "{{ list }}", "[1, 2]"),
        ("either", ["{{ n }}"], ["12"]),
        ("uri", "kestra:///a/b", "kestra:///a/b"),
        ("files", {"a.txt": "x", "b.txt": None}, {"a.txt": "x"}),
        ("condition", "{{ n }}", "{{ n }}"),
        ("condition", True, "true"),
        ("from", "x", "x"),
    ],
)
def test_a_written_value_becomes_a_value_of_the_declared_type(name, written, value):
    attribute = {"isOn": "is_on", "from": "from_"}.get(name, name)

    assert getattr(load(**{name: written}), attribute) == value


@pytest.mark.parametrize("written", [None, "{{ none }}"])
def test_a_null_counts_as_absent(written):
    assert load(number=written).number == 3


def test_static_parts_of_a_nested_object_are_not_rendered():
    props = load(parts=[{"kind": "two", "script": "{{ n }}"}], part={"script": "{{ n }}"})

    assert (props.parts[0].kind, props.parts[0].script, props.part.script) == ("TWO", "{{ n }}", "{{ n }}")


def test_a_name_that_the_class_does_not_have_is_dropped_at_run_time():
    assert load(number=1, tomorrow="x").number == 1


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"number": "{{ text }}"}, ['"number"', '"abc"', '"{{ text }}"', "integer"]),
        ({"number": -1}, ['"number"', "greater than or equal to 0"]),
        ({"level": "LOUD"}, ['"level"', '"LOUD"', "INFO"]),
        ({"wait": "soon"}, ['"wait"', '"soon"', "PT10S"]),
        ({"at": "soon"}, ['"at"', "2031-05-04T10:00:00Z"]),
        ({"uri": "soon"}, ['"uri"', "kestra:///"]),
        ({"files": {"../x": "y"}}, ['"files"', "../x", "below"]),
        ({"parts": [{"kind": "THREE"}]}, ['"parts[0].kind"', '"THREE"']),
        ({"facts": "no json"}, ['"facts"', '"no json"']),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_property(raw, parts):
    with pytest.raises(PropertyError) as caught:
        load(**raw)

    assert all(part in str(caught.value) for part in parts)


def test_a_missing_property_is_named():
    class Needy(Properties):
        first_name: Prop[str]

    with pytest.raises(PropertyError, match='"firstName" is required') as caught:
        load_properties(Needy, {}, render)

    assert caught.value.name == "firstName"


def test_all_faults_are_told_at_once():
    with pytest.raises(PropertyError) as caught:
        load(number="x", level="LOUD")

    assert len(caught.value.problems) == 2


def test_a_secret_is_not_repeated_in_a_message():
    with pytest.raises(PropertyError) as caught:
        load(password={"canary": "canary"})

    assert "canary" not in str(caught.value)


def test_a_field_must_say_how_it_is_written():
    class Unclear(Properties):
        number: int = 1

    with pytest.raises(TypeError, match="number"):
        schema_of(Unclear)


def test_the_schema_lists_types_marks_defaults_and_titles():
    schema = schema_of(Everything)
    properties = schema["properties"]

    assert schema["additionalProperties"] is False
    assert properties["number"]["anyOf"][0] == {"minimum": 0, "type": "integer"}
    assert (properties["number"]["default"], properties["number"]["$dynamic"]) == (3, True)
    assert properties["isOn"]["title"] == "Is on"
    assert properties["level"]["anyOf"][0]["enum"] == ["INFO", "WARN"]
    assert properties["text"]["type"] == ["string", "number", "boolean"]
    assert properties["password"]["$secret"] is True
    assert properties["condition"]["$dynamic"] is True
    assert "$dynamic" not in properties["parts"]["items"]["properties"]["script"]
    assert "from" in properties


def test_the_schema_of_a_class_with_required_properties_lists_them():
    class Needy(Properties):
        first_name: Prop[str]
        age: Prop[int] = 1

    assert schema_of(Needy)["required"] == ["firstName"]


def test_the_schema_has_no_references_and_no_null():
    text = str(schema_of(Everything))

    assert "$ref" not in text
    assert "'null'" not in text


def test_an_output_is_dumped_by_camel_case_name_without_its_final_state():
    class Result(Output):
        exit_code: int
        wait: timedelta = timedelta(seconds=1)
        left_out: str | None = None
        kept: str | None = None

    assert Result(exit_code=3, kept=None, final_state="WARNING").dump() == {"exitCode": 3, "wait": "PT1S", "kept": None}
    assert "finalState" not in schema_of(Result, mode="serialization")["properties"]


def test_loading_a_small_task_is_fast():
    """Twenty microseconds are meant; ten times that only fails when something is badly wrong."""

    class Small(Properties):
        message: Prop[str | list[Text]]
        level: Prop[Literal["INFO", "WARN"]] = "INFO"

    raw = {"message": "hello {{ n }}", "level": "WARN"}
    best = min(repeat(lambda: load_properties(Small, raw, lambda text, **_: text), number=1000, repeat=3)) / 1000

    assert best < 200e-6
