"""Blueprints: the ready-made flows and dashboards that ship as files, and the flows that people saved as such."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from flows.language.source import read_document
from flows.models import Blueprint
from flows.primitives.callers import current_caller
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.criteria import SortError
from flows.queries.pages import Page, Window, slice_page

FOLDER_NAME = "blueprints"
TAG_NAMES = {
    "getting-started": "Getting started",
    "etl": "ETL",
    "sql": "SQL",
    "files": "Files",
    "api": "HTTP and APIs",
    "python": "Python",
    "scripts": "Scripts",
    "control-flow": "Control flow",
    "reliability": "Reliability",
    "approval": "Approvals",
    "trigger": "Triggers",
    "notification": "Notifications",
    "state": "State",
    "quality": "Data quality",
    "business": "Business",
    "monitoring": "Monitoring",
    "infrastructure": "Infrastructure",
    "housekeeping": "Housekeeping",
}
"""What the tags of the files are called, in the order in which lists show them."""

_DIVIDER = "\n---\n"
_MARKS = re.compile(r"[*`]+")


class Origin(StrEnum):
    """Where a blueprint comes from."""

    PRODUCT = "PRODUCT"
    OWN = "OWN"


@dataclass(frozen=True, slots=True)
class Need:
    """
    What must be there before a blueprint runs. `kind` is `secret`, `account`, `network`, `package`, `program` or `flow` (another
    blueprint, by id); `text` names it.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class BlueprintEntry:
    """
    One blueprint as lists and pages show it.

    `kind` is `flow` or `dashboard`; `task_types` every type that the text names, sorted; `starter` its place among the ones for
    beginners, 0 when it is none of them; `description` Markdown whose first paragraph is the summary.
    """

    id: str
    kind: str
    title: str
    description: str
    tags: tuple[str, ...]
    task_types: tuple[str, ...]
    published_at: datetime
    source: str
    origin: Origin = Origin.PRODUCT
    needs: tuple[Need, ...] = ()
    starter: int = 0
    saved_by: str = ""
    haystack: str = field(default="", repr=False)

    @property
    def summary(self) -> str:
        """The first paragraph of the description, on one line and without marks of Markdown."""
        return _MARKS.sub("", " ".join(self.description.strip().partition("\n\n")[0].split()))


def list_blueprints(text: str = "", *, tags: Collection[str] = (), kind: str = "flow") -> list[BlueprintEntry]:
    """
    Return the product's blueprints of a kind that hold every word of `text` and bear every tag, those for beginners first.

    Source: REST API, 8.12.
    """
    return _select(_read_folder(), text, tags, kind)


def list_own_blueprints(text: str = "", *, tags: Collection[str] = ()) -> list[BlueprintEntry]:
    """Return the flows that people saved as blueprints, filtered like `list_blueprints`, by title."""
    rows = Blueprint.objects.all() if _may_read_own() else Blueprint.objects.none()
    return _select((read_entry(row) for row in rows), text, tags, "flow")


def list_starters() -> list[BlueprintEntry]:
    """Return the blueprints for somebody's first minutes, in order."""
    return sorted((one for one in _read_folder() if one.starter), key=lambda one: one.starter)


def page_blueprints(found: Sequence[BlueprintEntry], window: Window) -> Page[BlueprintEntry]:
    """Return one page in the wanted order, else in that of `found`. Raises SortError."""
    ordered = list(found)
    for name, direction in reversed(window.sort):
        key = _SORTABLE.get(name)
        if key is None:
            raise SortError(f'Invalid sort parameter: "{name}" cannot be sorted here. Known fields: {", ".join(_SORTABLE)}.')
        ordered.sort(key=key, reverse=direction == "desc")
    return slice_page(ordered, window)


def get_blueprint(blueprint_id: str, *, kind: str = "flow") -> BlueprintEntry:
    """Return a blueprint of the product. Raises NotFoundError."""
    found = next((one for one in _read_folder() if one.id == blueprint_id and one.kind == kind), None)
    if found is None:
        raise _not_found(blueprint_id)
    return found


def get_own_blueprint(blueprint_id: str) -> BlueprintEntry:
    """Return a blueprint that somebody saved. Raises NotFoundError."""
    row = Blueprint.objects.filter(pk=blueprint_id).first() if _may_read_own() else None
    if row is None:
        raise _not_found(blueprint_id)
    return read_entry(row)


def get_any_blueprint(blueprint_id: str) -> BlueprintEntry:
    """Return a blueprint by its id, wherever it comes from; ids of the product go first. Raises NotFoundError."""
    found = next((one for one in _read_folder() if one.id == blueprint_id), None)
    return found or get_own_blueprint(blueprint_id)


def count_tags(entries: Iterable[BlueprintEntry]) -> dict[str, int]:
    """Return how many of the blueprints bear each tag: the known tags first, in their order, then others by name."""
    counts: dict[str, int] = {}
    for entry in entries:
        for tag in entry.tags:
            counts[tag] = counts.get(tag, 0) + 1
    order = list(TAG_NAMES)
    return dict(sorted(counts.items(), key=lambda pair: (order.index(pair[0]) if pair[0] in order else len(order), pair[0])))


def name_tag(tag: str) -> str:
    """Return what a tag is called."""
    return TAG_NAMES.get(tag, tag)


def list_types(source: str) -> list[str]:
    """Return every type that a document names, sorted."""
    return sorted(set(_walk_types(read_document(source).data)))


def read_entry(row: Blueprint) -> BlueprintEntry:
    """Return a stored blueprint in the form of all the others."""
    return _finish(
        BlueprintEntry(
            id=row.id,
            kind="flow",
            title=row.title,
            description=row.description,
            tags=tuple(row.tags),
            task_types=tuple(row.included_tasks),
            published_at=row.updated_at,
            source=row.source,
            origin=Origin.OWN,
            saved_by=row.saved_by,
        )
    )


_SORTABLE: dict[str, Callable[[BlueprintEntry], Any]] = {
    "id": lambda one: one.id,
    "title": lambda one: one.title.lower(),
    "publishedAt": lambda one: one.published_at,
    "published_at": lambda one: one.published_at,
}


def _select(entries: Iterable[BlueprintEntry], text: str, tags: Collection[str], kind: str) -> list[BlueprintEntry]:
    words = text.lower().split()
    wanted = {tag.lower() for tag in tags}
    found = [
        one
        for one in entries
        if one.kind == kind and wanted <= {tag.lower() for tag in one.tags} and all(word in one.haystack for word in words)
    ]
    return sorted(found, key=lambda one: (one.starter or 99, "getting-started" not in one.tags, one.title.lower()))


def _may_read_own() -> bool:
    return current_caller().may(Action.READ, Resource.BLUEPRINT)


def _not_found(blueprint_id: str) -> NotFoundError:
    return NotFoundError(f'Blueprint "{blueprint_id[:100]}" does not exist.', code="blueprint-not-found")


@lru_cache(maxsize=1)
def _read_folder() -> tuple[BlueprintEntry, ...]:
    folder = Path(settings.BASE_DIR) / FOLDER_NAME
    return tuple(_read_file(path) for path in sorted(folder.glob("*.yaml")))


def _read_file(path: Path) -> BlueprintEntry:
    head, _, source = path.read_text(encoding="utf-8").partition(_DIVIDER)
    about = read_document(head).data
    return _finish(
        BlueprintEntry(
            id=path.stem,
            kind=about.get("kind", "flow"),
            title=about["title"],
            description=about["description"],
            tags=tuple(about["tags"]),
            task_types=tuple(list_types(source)),
            published_at=datetime.fromtimestamp(path.stat().st_mtime, tz=UTC),
            source=source,
            needs=tuple(Need(kind, text) for need in about.get("needs", ()) for kind, text in need.items()),
            starter=about.get("starter", 0),
        )
    )


def _finish(entry: BlueprintEntry) -> BlueprintEntry:
    """Return the entry with the text in which searches look."""
    names = " ".join(name_tag(tag) for tag in entry.tags)
    haystack = f"{entry.id} {entry.title} {entry.description} {' '.join(entry.task_types)} {names}".lower()
    return replace(entry, haystack=haystack)


def _walk_types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        name = value.get("type")
        # Defaults for plugins name groups of types, too; those end in a word with a small letter.
        if isinstance(name, str) and name.rpartition(".")[2][:1].isupper() and "." in name:
            yield name
        for item in value.values():
            yield from _walk_types(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk_types(item)
