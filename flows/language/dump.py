"""A flow, or any plain data, as canonical YAML: one order of keys, block style, quotes only where they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from flows.language import definitions
from flows.language.flow import Flow
from flows.language.scalars import resolve_scalar

_FIRST_KEYS = ("id", "type", "namespace")
_FLOW_ORDER = {key: number for number, key in enumerate(definitions.FLOW["properties"])}
_BASE = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BASE):  # type: ignore[misc,valid-type]  # one of two classes
    """Writes texts so that our reader, which knows fewer special words than YAML 1.1, reads the same value."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: Any, value: str) -> Any:
    style = None
    if "\n" in value and _fits_block(value):
        style = "|"
    elif resolve_scalar(value) != value or value == "<<":
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _fits_block(value: str) -> bool:
    """A literal block keeps neither trailing spaces visible nor a text that begins with space or a line break."""
    return value[:1] not in " \t\n" and not any(line.endswith((" ", "\t")) for line in value.split("\n")) and "\r" not in value


def _write_float(dumper: Any, value: float) -> Any:
    text = repr(value)
    if "." not in text:
        # YAML 1.1 sees a number with an exponent only behind a point; without it the writer would add a tag.
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _write_text)
_Dumper.add_representer(float, _write_float)


def dump_flow(flow: Flow) -> str:
    """
    Return the canonical YAML of a flow that `parse_flow` made, without comments, defaults not applied.

    Reading it again gives an equal flow but for positions.
    """
    ordered = dict(sorted(flow.raw.items(), key=lambda item: _FLOW_ORDER.get(item[0], len(_FLOW_ORDER))))
    return dump_data(ordered)


def dump_data(data: Any) -> str:
    """Return plain data (mappings, lists, texts, numbers, booleans, null) as YAML; id and type of an element come first."""
    return str(yaml.dump(_order(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, indent=2))


def _order(value: Any) -> Any:
    if isinstance(value, Mapping):
        first = [key for key in _FIRST_KEYS if key in value] if "type" in value else []
        rest = [key for key in value if key not in first]
        return {key: _order(value[key]) for key in (*first, *rest)}
    if isinstance(value, (list, tuple)):
        return [_order(item) for item in value]
    return value
