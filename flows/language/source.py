"""YAML text to plain data with the place of every key and value. Nothing here knows what a flow is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from flows.language.scalars import resolve_scalar
from flows.language.syntax_faults import explain_syntax
from flows.primitives.problems import Place, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 50_000
MAX_EXPANDED_CHARACTERS = 4 * 1024 * 1024

Path = tuple[str | int, ...]
"""The way from the document to a value: keys of mappings and positions in lists."""

_Mark = tuple[int, int, int, int]
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)[^\n]*\n?", re.MULTILINE)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Document:
    """
    What was read: plain data (dict, list, str, int, float, bool, None) and the places of its parts.

    `data` is None when a problem made reading stop; `problems` then says why. Data that an alias repeats is one shared object.
    """

    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    _marks: dict[int, dict[str | int, _Mark]] = field(default_factory=dict)
    _texts: dict[int, dict[str | int, str]] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def find_place(self, path: Path, *, of_key: bool = False) -> Place:
        """
        Return where the value at `path` stands, or its key when `of_key` is set.

        A path that leaves the document (a missing key, a value that came from a default) gives the place of the deepest part
        that exists; the text of the path is kept whole.
        """
        line, column = 1, 1
        value = self.data
        for step in path:
            mark = self._marks.get(id(value), {}).get(step)
            if mark is None:
                break
            line, column = (mark[0], mark[1]) if of_key or isinstance(step, int) else (mark[2], mark[3])
            value = value[step]
        return Place(line, column, format_path(path))

    def find_text(self, container: Any, key: str | int) -> str | None:
        """Return how a number was written when that differs from its plain form (`1.10`, `012`), else None."""
        texts = self._texts.get(id(container))
        return texts.get(key) if texts else None

    def adopt(self, changed: Any, original: Any) -> None:
        """Let `changed`, a copy of a mapping or list with other entries, answer for the places and texts of `original`."""
        self._kept.append(changed)
        if id(original) in self._marks:
            self._marks[id(changed)] = self._marks[id(original)]
        if id(original) in self._texts:
            self._texts[id(changed)] = self._texts[id(original)]


def format_path(path: Sequence[str | int]) -> str:
    """Return a path as people read it: `tasks[0].format`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def split_documents(text: str) -> list[str]:
    """Return the documents of a bulk text, cut at its `---` lines; parts that hold only comments and space are left out."""
    return [part for part in _SEPARATOR.split(text) if any(not _is_idle(line) for line in part.splitlines())]


def read_document(text: str) -> Document:
    """
    Read one YAML document.

    Args:
        text: at most 1 MiB as UTF-8, at most 100 levels and 50 000 nodes with every alias counted as often as it is used.

    Returns:
        A Document. Duplicate keys and tags are reported one by one and reading goes on; broken syntax or a limit ends it, with
        `data` None. Never raises and never builds more than the limits allow.

    Source: flow language, 1.1; security S-12; scalar types are our decision 0004.
    """
    document = Document()
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        document.problems.append(
            Problem(
                "yaml-syntax", "The document holds half of a character pair, which is not text.", "Save it as UTF-8.", Place(1, 1)
            )
        )
        return document
    if size > MAX_BYTES:
        document.problems.append(
            Problem(
                "document-too-large",
                f"The document has {size} bytes, but at most {MAX_BYTES} are allowed.",
                "Move long texts into namespace files.",
                Place(1, 1),
            )
        )
        return document
    builder = _Builder(document)
    try:
        builder.build(yaml.parse(text, Loader=_LOADER))
    except _ReadingStoppedError:
        document.data = None
    except yaml.YAMLError as error:
        document.data = None
        document.problems.append(explain_syntax(error, text))
    return document


class _ReadingStoppedError(Exception):
    """The problem that ends the reading has been reported."""


@dataclass(slots=True)
class _Anchored:
    """A finished value that aliases may repeat, with what a repetition costs."""

    value: Any
    node_count: int
    character_count: int
    height: int
    text: str | None


class _Frame:
    """A mapping or list that is still open."""

    __slots__ = ("anchor", "characters_before", "container", "height", "key", "key_mark", "marks", "merges", "nodes_before")

    def __init__(self, container: dict[str, Any] | list[Any], anchor: str | None, nodes: int, characters: int) -> None:
        self.container = container
        self.anchor = anchor
        self.key: str | None = None
        self.key_mark: Any = None
        self.marks: dict[str | int, _Mark] = {}
        self.merges: list[tuple[Any, Any]] = []
        self.nodes_before = nodes
        self.characters_before = characters
        self.height = 1


class _Builder:
    """Builds data from the parser's events without recursion, so that depth is ours to limit."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._node_count = 0
        self._character_count = 0
        self._documents = 0
        self._pending_merge = False

    def build(self, events: Iterator[Any]) -> None:
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._open(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._stop(
                        "several-documents",
                        "The text holds more than one YAML document.",
                        event.start_mark,
                        "Remove the `---` line or send the flows one by one.",
                    )

    def _report(self, code: str, message: str, mark: Any, hint: str = "") -> None:
        steps: list[str | int] = []
        innermost = self._frames[-1] if self._frames else None
        for frame in self._frames:
            if isinstance(frame.container, list):
                steps.append(len(frame.container) - (frame is not innermost))
            elif frame.key is not None:
                steps.append(frame.key)
        place = Place(mark.line + 1, mark.column + 1, format_path(steps))
        self._document.problems.append(Problem(code, message, hint, place))

    def _stop(self, code: str, message: str, mark: Any, hint: str = "") -> None:
        self._report(code, message, mark, hint)
        raise _ReadingStoppedError

    def _count(self, nodes: int, characters: int, mark: Any) -> None:
        self._node_count += nodes
        self._character_count += characters
        if self._node_count > MAX_NODES:
            self._stop(
                "too-many-nodes",
                f"The document has more than {MAX_NODES} values, counting every alias as often as it is used.",
                mark,
                "Split the flow, for example with subflows.",
            )
        if self._character_count > MAX_EXPANDED_CHARACTERS:
            self._stop(
                "document-too-large",
                f"The document has more than {MAX_EXPANDED_CHARACTERS} characters once its aliases are expanded.",
                mark,
                "Repeat less with aliases.",
            )

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            self._report(
                "yaml-tag", f'The tag "{event.tag}" is not allowed.', event.start_mark, "Remove it and write the plain value."
            )

    def _scalar(self, event: Any) -> None:
        text: str = event.value
        mark = event.start_mark
        self._count(1, len(text), mark)
        if event.tag is not None:
            self._refuse_tag(event)
        frame = self._frames[-1] if self._frames else None
        plain = event.style is None or event.style == ""
        if frame is not None and frame.key is None and isinstance(frame.container, dict):
            if event.anchor is not None:
                self._anchors[event.anchor] = _Anchored(text, 1, len(text), 0, None)
            self._key(frame, text, mark, is_merge=plain and text == "<<")
            return
        value = resolve_scalar(text) if plain else text
        written = text if value.__class__ in (int, float) and str(value) != text else None
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, len(text), 0, written)
        self._add(value, mark, 0, written)

    def _key(self, frame: _Frame, text: str, mark: Any, *, is_merge: bool = False) -> None:
        assert isinstance(frame.container, dict)
        if text in frame.container or (is_merge and frame.merges):
            frame.key = text
            first = frame.marks.get(text)
            seen = f" It is first set in line {first[0]}." if first else ""
            self._report("duplicate-key", f"Duplicate field '{text}'.{seen}", mark, "Keep one of the two.")
        frame.key = text
        frame.key_mark = mark
        self._pending_merge = is_merge

    def _open(self, event: Any) -> None:
        mark = event.start_mark
        self._count(1, 0, mark)
        if event.tag is not None:
            self._refuse_tag(event)
        frame = self._frames[-1] if self._frames else None
        if frame is not None and frame.key is None and isinstance(frame.container, dict):
            self._stop(
                "yaml-key",
                "A key must be a text, but a mapping or list stands here.",
                mark,
                'An expression as value must stand in quotes: key: "{{ ... }}".',
            )
        if len(self._frames) >= MAX_DEPTH:
            self._stop("document-too-deep", f"The document is nested more than {MAX_DEPTH} levels deep.", mark, "Use subflows.")
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if frame is not None and frame.key == "<<" and self._pending_merge:
            frame.merges.append((container, mark))
        opened = _Frame(container, event.anchor, self._node_count - 1, self._character_count)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        opened_is_merge = self._pending_merge and frame is not None and isinstance(frame.container, dict)
        if not opened_is_merge:
            self._place(container, mark)
        self._pending_merge = False
        self._frames.append(opened)

    def _close(self) -> None:
        frame = self._frames.pop()
        container = frame.container
        if isinstance(container, dict) and frame.merges:
            self._merge(frame)
        if frame.marks:
            self._document._marks[id(container)] = frame.marks
        self._document._kept.append(container)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(
                container,
                self._node_count - frame.nodes_before,
                self._character_count - frame.characters_before,
                frame.height,
                None,
            )
        if self._frames:
            parent = self._frames[-1]
            parent.height = max(parent.height, frame.height + 1)
            parent.key = None
        else:
            self._document.data = container

    def _alias(self, event: Any) -> None:
        mark = event.start_mark
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            if event.anchor in self._anchors:
                self._stop("recursive-alias", f'The alias "*{event.anchor}" stands inside the value that it repeats.', mark)
            self._stop("unknown-alias", f'The alias "*{event.anchor}" names no anchor that stands before it.', mark)
            return
        self._count(anchored.node_count, anchored.character_count, mark)
        if len(self._frames) + anchored.height > MAX_DEPTH:
            self._stop("document-too-deep", f"The document is nested more than {MAX_DEPTH} levels deep.", mark, "Use subflows.")
        frame = self._frames[-1]
        if frame.key is None and isinstance(frame.container, dict):
            if not isinstance(anchored.value, str):
                self._stop("yaml-key", "A key must be a text, but an alias of another value stands here.", mark)
            self._key(frame, anchored.value, mark)
            return
        if self._pending_merge and isinstance(frame.container, dict):
            frame.merges.append((anchored.value, mark))
            frame.key = None
            self._pending_merge = False
            return
        self._add(anchored.value, mark, anchored.height, anchored.text)

    def _place(self, value: Any, mark: Any) -> None:
        """Put a value into the innermost open container, or make it the document."""
        if not self._frames:
            self._document.data = value
            return
        frame = self._frames[-1]
        container = frame.container
        if isinstance(container, list):
            frame.marks[len(container)] = (mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 1)
            container.append(value)
        elif frame.key is not None:
            key_mark = frame.key_mark
            frame.marks[frame.key] = (key_mark.line + 1, key_mark.column + 1, mark.line + 1, mark.column + 1)
            container[frame.key] = value

    def _add(self, value: Any, mark: Any, height: int, text: str | None) -> None:
        if self._frames:
            frame = self._frames[-1]
            frame.height = max(frame.height, height + 1)
            if self._pending_merge and isinstance(frame.container, dict):
                frame.merges.append((value, mark))
                self._pending_merge = False
                frame.key = None
                return
            if text is not None:
                key = len(frame.container) if isinstance(frame.container, list) else frame.key
                if key is not None:
                    self._document._texts.setdefault(id(frame.container), {})[key] = text
            self._place(value, mark)
            frame.key = None
        else:
            self._place(value, mark)

    def _merge(self, frame: _Frame) -> None:
        """Take over the entries of merged mappings; entries written here win, and earlier mappings win over later ones."""
        assert isinstance(frame.container, dict)
        for merged, mark in frame.merges:
            sources = merged if isinstance(merged, list) else [merged]
            for source in sources:
                if not isinstance(source, dict):
                    self._report("yaml-merge", "Only a mapping, or a list of mappings, can be merged with `<<`.", mark)
                    continue
                marks = self._document._marks.get(id(source), {})
                texts = self._document._texts.get(id(source), {})
                for key, value in source.items():
                    if key not in frame.container:
                        frame.container[key] = value
                        if key in marks:
                            frame.marks[key] = marks[key]
                        if key in texts:
                            self._document._texts.setdefault(id(frame.container), {})[key] = texts[key]


def _is_idle(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith("#") or stripped == "..."
