"""Search and replace over the sources of many flows: seen before it is done, and every flow checked as when it is saved."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import regex

from flows.models import Flow
from flows.operations.acts import act_on_many
from flows.operations.flow_rewriting import rewrite_flow
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.rights import Action, Resource
from flows.queries import flows as queries
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.source_search import PATTERN_SECONDS, compile_search


@dataclass(frozen=True, slots=True)
class Replacement:
    """
    What is replaced by what. `namespace` narrows it to one and those below; a pattern's replacement may name its groups as `\\1`.
    """

    search: str
    replacement: str
    namespace: str = ""
    is_case_sensitive: bool = False
    is_whole_word: bool = False
    is_pattern: bool = False


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """One line, by its number from 1, before and after."""

    number: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangedFlow:
    """
    One flow whose text changes. `revision` is the new one after it was saved, else that of the text which was searched;
    `error` says why it was not saved.
    """

    namespace: str
    flow_id: str
    revision: int
    lines: tuple[ChangedLine, ...]
    source: str
    error: str = ""


Names = Collection[tuple[str, str]]
"""Namespaces and ids of flows."""


def preview_replacement(wanted: Replacement, flows: Names | None = None) -> list[ChangedFlow]:
    """
    Return what a replacement would change, flow by flow. Nothing is stored.

    Args:
        flows: only these, where they exist; None for all.

    Raises:
        InvalidError: an empty search, a pattern or a replacement that cannot be read, or one that takes too long.
    """
    replace = _make_replace(wanted)
    members = (Condition("namespace", Operation.PREFIX, wanted.namespace),) if wanted.namespace else ()
    rows = queries.filter_flows(Criteria(members=members))
    if flows is not None:
        rows = rows.filter(namespace__in={namespace for namespace, _ in flows}, flow_id__in={flow_id for _, flow_id in flows})
    found = []
    for revision in queries.list_newest_sources(rows):
        if flows is not None and (revision.flow.namespace, revision.flow.flow_id) not in flows:
            continue
        changed = _change(revision.flow, revision.source, replace)
        if changed is not None:
            found.append(changed)
    return found


def apply_replacement(wanted: Replacement, flows: Names | None = None, *, at: datetime, actor: str = "") -> list[ChangedFlow]:
    """
    Save every flow that a replacement changes as a new revision.

    A flow that would become invalid stays as it is and carries the error; the others are saved all the same. A draft on top of a
    flow that changes is changed as well, and stays a draft.
    Arguments and errors as of `preview_replacement`.
    """
    with act_on_many("flow.replace-text", Action.UPDATE, Resource.FLOW, object_id=wanted.namespace) as doing:
        replace = _make_replace(wanted)
        done = [_save(changed, replace, at=at, actor=actor) for changed in preview_replacement(wanted, flows)]
        doing.after = {"search": wanted.search[:500], "replacement": wanted.replacement[:500], "flows": len(done)}
    return done


def replace_line(wanted: Replacement, *, namespace: str, flow_id: str, number: int, at: datetime, actor: str = "") -> ChangedFlow:
    """
    Save one flow with the replacement done in one line only.

    Raises:
        NotFoundError: there is no such flow.
        InvalidError: the line does not hold the text, or the flow would become invalid; and as `preview_replacement`.
    """
    found = queries.get_executable_text(namespace, flow_id)
    replace = _make_replace(wanted)
    changed = _change(found.flow, found.revision.source, replace, only=number)
    if changed is None:
        raise InvalidError(
            f'Line {number} of {namespace}.{flow_id} does not hold "{wanted.search[:100]}".', code="text-not-found"
        )
    saved = rewrite_flow(namespace, flow_id, partial(_rewrite, replace, only=number), at=at, actor=actor)
    return ChangedFlow(namespace, flow_id, saved.revision.revision, changed.lines, changed.source)


def _make_replace(wanted: Replacement) -> Callable[[str], str]:
    if not wanted.search:
        raise InvalidError("Say what to search for: the text to replace is empty.", code="search-empty")
    pattern = compile_search(
        wanted.search,
        case_sensitive=wanted.is_case_sensitive,
        whole_word=wanted.is_whole_word,
        is_pattern=wanted.is_pattern,
    )
    by = wanted.replacement if wanted.is_pattern else wanted.replacement.replace("\\", r"\\")

    def replace(line: str) -> str:
        try:
            return str(pattern.sub(by, line, timeout=PATTERN_SECONDS))
        except TimeoutError as error:
            raise InvalidError(f'The pattern "{wanted.search[:100]}" takes too long: write a simpler one.') from error
        except (regex.error, IndexError) as error:
            raise InvalidError(f'The replacement "{wanted.replacement[:100]}" cannot be used: {error}.') from error

    return replace


def _change(flow: Flow, source: str, replace: Callable[[str], str], only: int | None = None) -> ChangedFlow | None:
    changes, text = _change_lines(source, replace, only)
    return ChangedFlow(flow.namespace, flow.flow_id, flow.revision, tuple(changes), text) if changes else None


def _rewrite(replace: Callable[[str], str], source: str, *, only: int | None = None) -> str:
    return _change_lines(source, replace, only)[1]


def _change_lines(source: str, replace: Callable[[str], str], only: int | None) -> tuple[list[ChangedLine], str]:
    lines, changes = source.splitlines(keepends=True), []
    for index, line in enumerate(lines):
        if only is not None and index + 1 != only:
            continue
        text = line.rstrip("\r\n")
        after = replace(text)
        if after != text:
            changes.append(ChangedLine(index + 1, text, after))
            lines[index] = after + line[len(text) :]
    return changes, "".join(lines)


def _save(changed: ChangedFlow, replace: Callable[[str], str], *, at: datetime, actor: str) -> ChangedFlow:
    namespace, flow_id = changed.namespace, changed.flow_id
    try:
        saved = rewrite_flow(namespace, flow_id, partial(_rewrite, replace), at=at, actor=actor)
    except FlowsError as error:
        return ChangedFlow(namespace, flow_id, changed.revision, changed.lines, changed.source, error.message)
    return ChangedFlow(namespace, flow_id, saved.revision.revision, changed.lines, changed.source)
