"""
Write the pages of tasks, triggers, conditions and runners from the plugin manifests: `python docs/language/build.py [--check]`.

Everything below `tasks/` is written here; the other pages of this folder are written by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PAGES = FOLDER / "tasks"

Schema = Mapping[str, Any]
Entry = Mapping[str, Any]

# Languages differ in a few values only: one page with one table serves all of them.
_FAMILIES = ("scripts", "jdbc")
_KINDS = ("task", "trigger", "condition", "runner")
_KIND_WORDS = {"task": "Tasks", "trigger": "Triggers", "condition": "Conditions", "runner": "Task runners"}
_WORDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "map",
    "array": "list",
}
_FORMATS = {"duration": "duration", "uri": "address", "date-time": "date and time", "date": "date", "time": "time"}
_DEEPEST = 2


def read_entries() -> list[Entry]:
    """Return every type of every manifest below `plugins/`, sorted by name."""
    entries: list[Entry] = []
    for path in sorted(ROOT.glob("plugins/*/manifest.json")):
        entries.extend(json.loads(path.read_text(encoding="utf-8"))["types"])
    return sorted(entries, key=lambda entry: str(entry["type"]))


def build_pages() -> dict[str, str]:
    """Return the text of every generated page by its file name, the index `README.md` among them."""
    pages: dict[str, list[Entry]] = {}
    for entry in read_entries():
        pages.setdefault(_page_of(entry), []).append(entry)
    texts = {f"{name}.md": _write_page(name, entries) for name, entries in pages.items()}
    texts["README.md"] = _write_index(pages)
    return texts


def _page_of(entry: Entry) -> str:
    group = str(entry["group"])
    first = group.partition(".")[0]
    # A task runner of the scripts belongs to them, whatever its own group is called.
    if entry.get("kind") == "runner":
        return "scripts"
    return first if first in _FAMILIES else group.replace(".", "-")


def _write_index(pages: Mapping[str, Sequence[Entry]]) -> str:
    lines = ["# Types by group", "", _NOTICE, "", "| Page | Types |", "| --- | --- |"]
    for name, entries in sorted(pages.items()):
        shown = sorted({_short(entry) for entry in entries})
        lines.append(f"| [{name}]({name}.md) | {', '.join(f'`{text}`' for text in shown)} |")
    return "\n".join([*lines, ""])


def _short(entry: Entry) -> str:
    return str(entry["type"]).rpartition(".")[2]


_NOTICE = "This page is written by `docs/language/build.py` from the plugin manifests. Do not edit it by hand."

_HINTS = {
    "task": "The properties that every task has are in [Tasks](../tasks.md).",
    "trigger": "The properties that every trigger has, and examples, are in [Triggers](../triggers.md).",
    "condition": "Conditions stand in `conditions` of a trigger; all must hold: [Triggers](../triggers.md#conditions).",
}


def _write_page(name: str, entries: Sequence[Entry]) -> str:
    kinds = {_kind(entry) for entry in entries}
    lines = [f"# {name}", "", _NOTICE, *(line for kind, hint in _HINTS.items() if kind in kinds for line in ("", hint))]
    by_shape: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: (_KINDS.index(_kind(one)), str(one["type"]))):
        by_shape.setdefault(_shape_key(name, entry), []).append(entry)
    kind = ""
    for alike in by_shape.values():
        if _kind(alike[0]) != kind:
            kind = _kind(alike[0])
            lines += ["", f"## {_KIND_WORDS[kind]}"]
        lines += ["", *(_write_entry(alike[0]) if len(alike) == 1 else _write_alike(alike))]
    return "\n".join([*lines, ""])


def _shape_key(page: str, entry: Entry) -> str:
    if page not in _FAMILIES or _kind(entry) == "runner":
        return str(entry["type"])
    own = sorted(set(entry["schema"].get("properties", {})))
    return f"{_kind(entry)}/{_short(entry)}/{','.join(own)}"


def _kind(entry: Entry) -> str:
    return str(entry.get("kind", "task"))


def _write_entry(entry: Entry) -> Iterator[str]:
    yield from _write_head(entry)
    if aliases := entry.get("aliases"):
        yield ""
        yield f"Older names: {', '.join(f'`{name}`' for name in aliases)}."
    yield from _write_tables(entry)
    yield from _write_examples([entry])


def _write_alike(entries: Sequence[Entry]) -> Iterator[str]:
    """Write types that differ in their name, their title and a few default values as one section."""
    varying = [name for name in _properties(entries[0]) if len({_default_of(entry, name) for entry in entries}) > 1]
    yield f"### `{_short(entries[0])}` of {len(entries)} packages"
    yield ""
    yield from _write_table(
        ["Type", "What it does", *(f"Default of `{name}`" for name in varying)],
        ([f"`{one['type']}`", _summarise(one), *(_default_of(one, name) for name in varying)] for one in entries),
    )
    yield from _write_tables(entries[0], without_defaults=varying)
    yield from _write_examples(entries)


def _write_head(entry: Entry) -> Iterator[str]:
    yield f"### `{entry['type']}`"
    yield ""
    yield _summarise(entry)
    if reason := entry.get("deprecated"):
        yield ""
        yield f"Deprecated. {reason}"


def _summarise(entry: Entry) -> str:
    title, description = str(entry["title"]), " ".join(str(entry.get("description", "")).split())
    return f"**{title}.**" if description in ("", f"{title}.") else f"**{title}.** {description}"


def _write_tables(entry: Entry, *, without_defaults: Sequence[str] = ()) -> Iterator[str]:
    rows = [_row(entry["schema"], name, shape, without_defaults) for name, shape in _walk(entry["schema"])]
    yield ""
    if rows:
        yield from _write_table(["Property", "Type", "Default", "Meaning"], rows)
    else:
        yield "No properties of its own."
    if branches := entry.get("branches"):
        yield ""
        yield f"Holds tasks in: {', '.join(f'`{name}`' for name in branches)}."
    if outputs := [_row({}, name, shape) for name, shape in _walk(entry.get("outputs", {}), deepest=0)]:
        yield ""
        yield from _write_table(
            ["Variable of `trigger`" if _kind(entry) == "trigger" else "Output", "Type", "Meaning"],
            ([name, kind, meaning] for name, kind, _, meaning in outputs),
        )


def _write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "&#124;") for cell in row) + " |"


def _write_examples(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        for example in entry.get("examples", ()):
            yield ""
            yield "```yaml"
            yield str(example).rstrip("\n")
            yield "```"


def _properties(entry: Entry) -> Mapping[str, Schema]:
    return entry["schema"].get("properties", {})  # type: ignore[no-any-return]  # a schema of JSON


def _default_of(entry: Entry, name: str) -> str:
    return _show_default(_properties(entry)[name])


def _walk(schema: Schema, prefix: str = "", deepest: int = _DEEPEST) -> Iterator[tuple[str, Schema]]:
    """Yield every property with its dotted name, those of nested objects behind their owner."""
    for name, shape in schema.get("properties", {}).items():
        yield f"{prefix}{name}", shape
        if deepest > 0 and "properties" in (inner := _object_of(shape)):
            yield from _walk(inner, f"{prefix}{name}.", deepest - 1)


def _object_of(shape: Schema) -> Schema:
    choices = [choice for choice in shape.get("anyOf", [shape]) if isinstance(choice, Mapping)]
    return next((choice for choice in choices if "properties" in choice), {})


def _row(owner: Schema, name: str, shape: Schema, without_defaults: Sequence[str] = ()) -> tuple[str, str, str, str]:
    notes = [" ".join(str(shape.get("description", "")).split())]
    if name in owner.get("required", ()):
        notes.insert(0, "**Required.**")
    if reason := shape.get("$deprecated"):
        notes.insert(0, f"Deprecated: {reason}")
    if shape.get("$secret"):
        notes.append("Use `secret()`.")
    default = "see above" if name in without_defaults else _show_default(shape)
    return f"`{name}`", _describe(shape), default, " ".join(note for note in notes if note)


def _show_default(shape: Schema) -> str:
    if "default" not in shape or shape["default"] in (None, [], {}, ""):
        return ""
    if isinstance(shape["default"], Mapping):
        return ""
    return f"`{json.dumps(shape['default'], ensure_ascii=False).strip(chr(34))}`"


def _describe(shape: Schema) -> str:
    """Return the type of a property in words; the branches that only allow a template add nothing."""
    choices = [choice for choice in shape.get("anyOf", [shape]) if not _is_text_form(choice)]
    return " or ".join(dict.fromkeys(_describe_one(choice) for choice in choices)) or "any"


def _is_text_form(choice: Schema) -> bool:
    return "pattern" in choice and "format" not in choice and choice.get("type") == "string" and len(choice) == 2


def _describe_one(shape: Schema) -> str:
    if "enum" in shape:
        return ", ".join(f"`{value}`" for value in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    if shape.get("$storageUri"):
        return "address of a stored file"
    if shape.get("format") in _FORMATS:
        return _FORMATS[shape["format"]]
    kind = shape.get("type")
    if isinstance(kind, list):
        return "text" if "string" in kind else " or ".join(_WORDS.get(word, word) for word in kind)
    if kind == "array":
        return f"list of {_describe(shape.get('items') or {})}"
    if kind == "object" and isinstance(shape.get("additionalProperties"), Mapping):
        return f"map of {_describe(shape['additionalProperties'])}"
    return _WORDS.get(str(kind), "any")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` only say whether they are current; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is stale")
    options = parser.parse_args(arguments)
    stale = [name for name, text in build_pages().items() if not _is_current(name, text)]
    superfluous = [path for path in PAGES.glob("*.md") if path.name not in build_pages()]
    if options.check:
        for name in [*stale, *(path.name for path in superfluous)]:
            sys.stderr.write(f"{PAGES / name} is stale. Write it with: python docs/language/build.py\n")
        return 1 if stale or superfluous else 0
    PAGES.mkdir(exist_ok=True)
    for name in stale:
        (PAGES / name).write_text(build_pages()[name], encoding="utf-8")
    for path in superfluous:
        path.unlink()
    return 0


def _is_current(name: str, text: str) -> bool:
    path = PAGES / name
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
