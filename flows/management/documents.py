"""Flow documents on this host: which files a PATH means, the documents in them, and moving them to another namespace."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.language.source import split_documents
from flows.management.terminal import UsageError

STANDARD_INPUT = "-"
ENDINGS = (".yml", ".yaml")
_NAMESPACE_LINE = re.compile(r"^namespace[ \t]*:[ \t]*(['\"]?)([^\s'\"#]+)\1[^\n]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FlowDocument:
    """One YAML document; `index` counts from 0 in its file. `label` names it in messages."""

    file: str
    index: int
    count: int
    text: str

    @property
    def label(self) -> str:
        return self.file if self.count == 1 else f"{self.file}#{self.index + 1}"


def read_documents(paths: Sequence[str]) -> list[FlowDocument]:
    """
    Return the documents of files, folders (`.yml` and `.yaml` at every depth, hidden ones left out, sorted) and `-`.

    Raises:
        UsageError: a path that does not exist, or a file that is no UTF-8 text.

    Source: command line, 2.1.
    """
    documents = []
    for file in list_files(paths):
        texts = split_documents(_read_text(file))
        documents += [FlowDocument(file, index, len(texts), text) for index, text in enumerate(texts)]
    return documents


def list_files(paths: Sequence[str]) -> list[str]:
    """Return the files that the paths mean, in order, each once. Raises UsageError for a path that does not exist."""
    found: dict[str, None] = {}
    for text in paths:
        path = Path(text)
        if text == STANDARD_INPUT or path.is_file():
            found[text] = None
        elif path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if each.is_file() and each.suffix in ENDINGS)
            found.update((str(each), None) for each in inside if not _is_hidden(each.relative_to(path)))
        else:
            raise UsageError(f'"{text}" does not exist: give a file, a folder or "-" for standard input.')
    return list(found)


def move_to_namespace(document: FlowDocument, *, namespace: str | None = None, prefix: str | None = None) -> FlowDocument:
    """Return the document with another namespace, or with its own behind a prefix; unchanged when it names none."""
    if namespace:
        line = f"namespace: {namespace}"
        text = _NAMESPACE_LINE.sub(lambda _: line, document.text, count=1)
    elif prefix:
        text = _NAMESPACE_LINE.sub(lambda match: f"namespace: {prefix}.{match[2]}", document.text, count=1)
    else:
        return document
    return replace(document, text=text)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_text(file: str) -> str:
    try:
        if file == STANDARD_INPUT:
            return sys.stdin.buffer.read().decode() if hasattr(sys.stdin, "buffer") else sys.stdin.read()
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f'"{file}" is no UTF-8 text.') from error
    except OSError as error:
        raise UsageError(f'"{file}" cannot be read ({error.strerror}).') from error
