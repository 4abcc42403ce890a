"""How the admin pages show things: links between objects, states, labels, and JSON without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.models.encryption import is_envelope

MAX_JSON_CHARACTERS = 100_000
ENCRYPTED = "(encrypted)"


def link_to(model: type[Model], key: Any, text: str | None = None) -> SafeString | str:
    """Return a link to the page of an object, or a dash without a key."""
    if key in (None, ""):
        return "-"
    address = reverse(f"admin:flows_{model._meta.model_name}_change", args=[key])
    return format_html('<a href="{}">{}</a>', address, key if text is None else text)


def link_to_list(model: type[Model], text: str, **filters: Any) -> SafeString:
    """Return a link to the filtered list of a model."""
    address = reverse(
        f"admin:flows_{model._meta.model_name}_changelist", query={key: str(value) for key, value in filters.items()}
    )
    return format_html('<a href="{}">{}</a>', address, text)


def show_state(state: str) -> SafeString:
    """Return a state as a coloured badge."""
    return format_html('<span class="celestra-state celestra-{}">{}</span>', state.lower(), state)


def show_text(text: str) -> SafeString | str:
    """Return a text with its lines and blanks, escaped, or a dash."""
    return format_html('<pre class="celestra-json" tabindex="0">{}</pre>', text) if text else "-"


def show_json(value: Any) -> SafeString | str:
    """Return a value as escaped, indented JSON, with encrypted values hidden and cut after 100 000 characters."""
    if value in (None, {}, []):
        return "-"
    text = json.dumps(hide_encrypted(value), indent=2, ensure_ascii=False, default=str)
    if len(text) > MAX_JSON_CHARACTERS:
        text = f"{text[:MAX_JSON_CHARACTERS]}\n... cut after {MAX_JSON_CHARACTERS} of {len(text)} characters"
    return show_text(text)


def hide_encrypted(value: Any) -> Any:
    """Return the value with every encrypted part replaced by a mark."""
    if is_envelope(value):
        return ENCRYPTED
    if isinstance(value, Mapping):
        return {key: hide_encrypted(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [hide_encrypted(part) for part in value]
    return value


def show_own_labels(labels: Iterable[Mapping[str, Any]]) -> str:
    """Return labels that people gave, without those that the platform adds to every execution."""
    return show_labels(label for label in labels if not str(label.get("key")).startswith("system."))


def show_labels(labels: Iterable[Mapping[str, Any]]) -> str:
    """Return labels as `key: value`, joined by commas, or a dash."""
    return ", ".join(f"{label.get('key')}: {label.get('value')}" for label in labels) or "-"
