"""Template tags and filters of the console: icons, badges, moments, durations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.primitives.callers import Caller, current_caller
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL
from flows.queries.inbox import MOST_QUESTIONS, count_questions
from flows.ui import wording
from flows.ui.choices import read_look
from flows.ui.looks import is_moving, look_of
from flows.ui.markdown import render_markdown
from flows.ui.painters.source_text import paint_source

register = template.Library()

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Return a symbol of icons.svg."""
    address = static("flows/icons.svg")
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, address, name)


@register.simple_tag
def look_attributes(request: HttpRequest) -> SafeString:
    """Return the attributes of the root element that show the choices of the reader before any script runs."""
    look = read_look(request)
    theme = look.get("theme", "system")
    classes = [word for name, word in (("nav", "narrow"), ("density", "comfortable")) if look.get(name) == word]
    chosen = format_html(' data-theme="{}"', theme) if theme != "system" else SafeString("")
    return chosen + (format_html(' class="{}"', " ".join(classes)) if classes else SafeString(""))


@register.filter
def badge(state: str) -> SafeString:
    """Return a state as word, icon and colour."""
    look = look_of(state)
    moving = " is-moving" if is_moving(state) else ""
    return format_html(
        '<span class="badge st-{}{}" data-state="{}">{}{}</span>', look.name, moving, state, icon(look.icon), state
    )


@register.filter
def look(state: str) -> str:
    """Return the class that gives an element the colours of a state."""
    return f"st-{look_of(state).name}"


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Return a moment that the page shows in the zone of the reader; without scripts in UTC."""
    if value is None:
        return "–"
    age = wording.write_age(value, at=timezone.now())
    shown = f"{value:%b} {value.day}, {value:%H:%M:%S}"
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), age, shown)


@register.filter
def age(value: datetime | None) -> SafeString | str:
    """Return how long ago a moment was, with the moment in the tooltip."""
    if value is None:
        return "–"
    words = wording.write_age(value, at=timezone.now())
    shown = f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time class="age" datetime="{}" title="{}">{}</time>', value.isoformat(), shown, words)


@register.filter
def duration(value: timedelta | None) -> str:
    """Return a duration in words."""
    return wording.write_duration(value)


@register.simple_tag
def running_duration(start: datetime, end: datetime | None) -> SafeString | str:
    """Return the duration from start to end; without an end it ticks."""
    if end is not None:
        return wording.write_duration(end - start)
    return format_html('<span data-ticks-from="{}">{}</span>', start.isoformat(), wording.write_duration(timezone.now() - start))


@register.filter
def own_labels(labels: Any) -> list[tuple[str, str]]:
    """Return the labels that people gave, as pairs."""
    return wording.split_labels(labels or [])


@register.filter
def short_type(name: str) -> str:
    """Return the last part of a type name."""
    return wording.short_type(name)


@register.filter
def level_name(level: int) -> str:
    """Return the name of a log level."""
    return LEVELS[level] if 0 <= level < len(LEVELS) else str(level)


@register.filter
def size(count: int) -> str:
    """Return a number of bytes in words."""
    return wording.write_size(count)


@register.filter
def markdown(text: str | None) -> SafeString:
    """Return Markdown as cleaned HTML."""
    return render_markdown(text or "")


@register.filter
def coloured(text: str, name: str) -> SafeString:
    """Return the text of a file with the colours of the language that its name tells."""
    return paint_source(text, name)


@register.filter
def may_read(caller: Any, resource: str) -> bool:
    """Tell whether a caller may read objects of a resource that belongs to no namespace."""
    return isinstance(caller, Caller) and caller.may(Action.READ, Resource(resource))


@register.filter
def may(namespace: str, right: str) -> bool:
    """Tell whether the caller may do something to objects of a namespace; `right` is written as `FLOW.UPDATE`."""
    resource, _, action = right.partition(".")
    return current_caller().may(Action(action), Resource(resource), namespace)


@register.simple_tag
def may_anywhere(right: str) -> bool:
    """Tell whether the caller may do something to objects of any namespace; `right` is written as `FLOW.UPDATE`."""
    resource, _, action = right.partition(".")
    return current_caller().list_reached(Resource(resource), Action(action)) != ()


@register.filter
def may_manage(caller: Any, resource: str) -> bool:
    """Tell whether a caller may change objects of a resource that belongs to no namespace."""
    return isinstance(caller, Caller) and caller.may(Action.UPDATE, Resource(resource))


@register.filter
def may_create(caller: Any, resource: str) -> bool:
    """Tell whether a caller may make objects of a resource that belongs to no namespace."""
    return isinstance(caller, Caller) and caller.may(Action.CREATE, Resource(resource))


@register.filter
def may_delete(caller: Any, resource: str) -> bool:
    """Tell whether a caller may delete objects of a resource that belongs to no namespace."""
    return isinstance(caller, Caller) and caller.may(Action.DELETE, Resource(resource))


@register.filter
def count(number: int) -> str:
    """Return a number with thin groups of three digits."""
    return f"{number:,}"


@register.simple_tag
def list_ranges() -> list[tuple[str, str]]:
    """Return the spans of time that filter bars offer as buttons: value and word."""
    return [("1h", "1 h"), ("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d")]


@register.simple_tag
def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@register.filter
def fact(value: str | int) -> str:
    """Return a fact about a service: whole numbers are sizes in bytes."""
    return wording.write_size(value) if isinstance(value, int) else value


@register.filter
def lag(seconds: float) -> str:
    """Return how late something is, `none` below a tenth of a second."""
    return "none" if seconds < 0.1 else wording.write_duration(timedelta(seconds=seconds))


_WORKER_TONES = {"live": "good", "draining": "waiting", "drained": "paused", "stale": "failed"}


@register.filter
def worker_tone(state: str) -> str:
    """Return the class that gives an element the colours of what a worker does."""
    return f"st-{_WORKER_TONES.get(state, 'skipped')}"


@register.simple_tag
def count_waiting() -> str:
    """Return how many questions wait for a person, empty for none."""
    count = count_questions()
    return "" if not count else f"{count}" if count < MOST_QUESTIONS else "99+"


@register.simple_tag
def list_end_states() -> list[str]:
    """Return the states in which an execution has ended, by name."""
    return sorted(TERMINAL)
