"""Blueprints: ready-made flows that ship with the product, read from its folder of examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from flows.language.source import read_document
from flows.primitives.errors import NotFoundError

FOLDER_NAME = "examples"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One ready-made flow. `title` is the first comment of its file, `task_types` every type it names, sorted."""

    id: str
    title: str
    description: str
    task_types: tuple[str, ...]
    published_at: datetime
    source: str


def list_blueprints(text: str = "") -> list[Blueprint]:
    """Return the blueprints whose id, title, description or types hold `text`, without regard to case, by id."""
    wanted = text.lower()
    return [one for one in _read_folder() if wanted in f"{one.id} {one.title} {one.description} {one.task_types}".lower()]


def get_blueprint(blueprint_id: str) -> Blueprint:
    """Return a blueprint. Raises NotFoundError."""
    found = next((one for one in _read_folder() if one.id == blueprint_id), None)
    if found is None:
        raise NotFoundError(f'Blueprint "{blueprint_id[:100]}" does not exist.', code="blueprint-not-found")
    return found


@lru_cache(maxsize=1)
def _read_folder() -> tuple[Blueprint, ...]:
    folder = Path(settings.BASE_DIR) / FOLDER_NAME
    return tuple(_read_file(path) for path in sorted(folder.glob("*.yaml")))


def _read_file(path: Path) -> Blueprint:
    source = path.read_text(encoding="utf-8")
    first = source.partition("\n")[0]
    data = read_document(source).data
    return Blueprint(
        path.stem,
        first.removeprefix("#").strip() if first.startswith("#") else path.stem.replace("_", " ").capitalize(),
        str(data.get("description") or "") if isinstance(data, dict) else "",
        tuple(sorted(set(_list_types(data)))),
        datetime.fromtimestamp(path.stat().st_mtime, tz=UTC),
        source,
    )


def _list_types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        name = value.get("type")
        if isinstance(name, str) and "." in name:
            yield name
        for item in value.values():
            yield from _list_types(item)
    elif isinstance(value, list):
        for item in value:
            yield from _list_types(item)
