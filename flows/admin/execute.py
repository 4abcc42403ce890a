"""The form that starts an execution: one field per declared input. Values are checked by the operation, not here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms

from flows.language.flow import Input

_PREFIX = "input:"
_LONG_TYPES = frozenset({"JSON", "YAML", "ARRAY", "MULTISELECT", "TABLE", "OBJECT"})
_HINTS = {
    "DATETIME": "Such as 2031-05-04T10:00:00Z",
    "DATE": "Such as 2031-05-04",
    "TIME": "Such as 10:30:00",
    "DURATION": "Such as PT1H30M",
    "URI": "Such as https://example.org/data.csv",
    "ARRAY": 'A JSON list, such as ["a", "b"]',
    "MULTISELECT": 'A JSON list, such as ["a", "b"]',
    "JSON": "JSON text",
    "YAML": "YAML text",
}


class ExecuteForm(forms.Form):
    """A form built from the inputs of a flow; empty fields count as not supplied, so that defaults apply."""

    def __init__(self, inputs: Sequence[Input], data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        for name, each in _flatten(inputs):
            self.fields[f"{_PREFIX}{name}"] = _make_field(each, name)

    def read_inputs(self) -> dict[str, Any]:
        """Return dotted input id to text or uploaded file, supplied ones only."""
        supplied = {name.removeprefix(_PREFIX): value for name, value in self.cleaned_data.items()}
        return {name: value for name, value in supplied.items() if value not in (None, "")}


def _flatten(inputs: Sequence[Input], prefix: str = "") -> Iterator[tuple[str, Input]]:
    for each in inputs:
        if each.type == "FORM":
            yield from _flatten(each.children, f"{prefix}{each.id}.")
        else:
            yield f"{prefix}{each.id}", each


def _make_field(declared: Input, name: str) -> forms.Field:
    kind = declared.type or "STRING"
    hints = [declared.description, _HINTS.get(kind)]
    if declared.has_default and isinstance(declared.default, str | int | float | bool):
        hints.append(f"Default: {declared.default}")
    common: dict[str, Any] = {
        # A default is filled in later, and an input may depend on others, so the browser must not insist.
        "required": False,
        "label": f"{declared.display_name or name} ({kind})",
        "help_text": ". ".join(hint.rstrip(".") for hint in hints if hint),
    }
    choices = declared.options.get("values")
    if kind == "FILE":
        return forms.FileField(**common)
    if kind in ("BOOL", "BOOLEAN"):
        return forms.ChoiceField(choices=[("", "not set"), ("true", "true"), ("false", "false")], **common)
    if kind in ("SELECT", "ENUM") and isinstance(choices, list) and not declared.options.get("allowCustomValue"):
        return forms.ChoiceField(choices=[("", "not set"), *((str(choice), str(choice)) for choice in choices)], **common)
    if kind == "SECRET":
        return forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "off"}), strip=False, **common)
    if kind in _LONG_TYPES:
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 4, "cols": 80}), **common)
    return forms.CharField(strip=False, **common)
