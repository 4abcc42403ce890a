"""`flows validate`, `apply` and `diff`: from documents on this host to stored flows. All are checked before one is saved."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from flows.language.parse import parse_flow
from flows.language.source import read_document
from flows.management.connecting import add_data_action, open_target
from flows.management.documents import FlowDocument, move_to_namespace, read_documents
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.presenters import Json, present_check
from flows.management.selection import add_yes
from flows.management.targets import Target
from flows.management.targets.flows import Name
from flows.management.terminal import Exit, Terminal, UsageError
from flows.operations.flow_checks import DocumentCheck
from flows.operations.flows import text_to_store
from flows.operations.trigger_rows import STATEFUL_FAMILIES
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError, InvalidError

VALIDATE_COLUMNS = ("file", "flow", "status", "constraints", "warnings", "infos", "deprecations")
APPLY_COLUMNS = ("file", "flow", "namespace", "revision", "action", "error")
WRITING_ACTIONS = frozenset({"created", "updated", "draft", "deleted"})


def add_validate(actions: Any) -> None:
    """Add the action `validate PATH...`."""
    parser = add_data_action(
        actions, "validate", validate_paths, about="Checks flow files; nothing is stored.", aliases=("check",)
    )
    parser.add_argument("path", nargs="+", help='a file, a folder or "-"')
    parser.add_argument("--offline", action="store_true", help="without the database: namespace defaults are not known")
    parser.add_argument("--strict", action="store_true", help="warnings and deprecations fail as well")


def add_apply(actions: Any) -> None:
    """Add the action `apply PATH...`."""
    parser = add_data_action(
        actions, "apply", apply_paths, about="Saves the flows of files; unchanged ones stay.", aliases=("deploy",)
    )
    _add_target(parser)
    parser.add_argument("--override", action=argparse.BooleanOptionalAction, default=True, help="replace flows that exist")
    parser.add_argument("--delete", action="store_true", help="delete flows of the touched namespaces that no file holds")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first flow that cannot be saved")
    parser.add_argument("--disable-triggers", action="store_true", help="switch the schedules and polls of these flows off")
    parser.add_argument("--draft", action="store_true", help="keep the texts as drafts, which run nothing and may have faults")
    add_dry_run(parser)
    add_yes(parser)


def add_diff(actions: Any) -> None:
    """Add the action `diff PATH...`."""
    parser = add_data_action(actions, "diff", diff_paths, about="Compares flow files with the stored flows.")
    _add_target(parser)
    parser.add_argument("--delete", action="store_true", help="list flows of the touched namespaces that no file holds")
    parser.add_argument("--exit-code", action="store_true", help="1 when something differs")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", help='a file, a folder or "-"')
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--namespace", help="put every flow into this namespace")
    target.add_argument("--namespace-prefix", help="put this prefix and a dot before every namespace")


def validate_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Check every document; a row each. Status 1 when one is invalid."""
    documents = _read(options.path)
    target = None if options.offline else open_target(options)
    checks = [
        _check_offline(document.text) if target is None else target.flows.check(document.text)
        for document in _count(terminal, "checked", documents)
    ]
    rows, has_failed = [], False
    for document, check in zip(documents, checks, strict=True):
        has_failed = has_failed or "constraints" in check
        has_failed = has_failed or (options.strict and bool(check["warnings"] or check["deprecationPaths"]))
        rows.append(_describe_check(document, check))
        if terminal.output == "table":
            _say_faults(terminal, document, check)
    answers = [
        {"index": index, "filename": document.file, **check}
        for index, (document, check) in enumerate(zip(documents, checks, strict=True))
    ]
    terminal.show_rows(VALIDATE_COLUMNS, rows, json_rows=answers)
    return Exit.FAILED if has_failed else Exit.DONE


def _describe_check(document: FlowDocument, check: Json) -> Json:
    return {
        "file": document.label,
        "flow": _label(_name_of(check)),
        "status": "invalid" if "constraints" in check else "valid",
        "constraints": check.get("constraints", "").replace("\n", "; "),
        "warnings": "; ".join(check["warnings"]),
        "infos": "; ".join(check["infos"]),
        "deprecations": "; ".join(check["deprecationPaths"]),
    }


def _say_faults(terminal: Terminal, document: FlowDocument, check: Json) -> None:
    # A table cell is cut; whoever repairs the file needs every line.
    for line in check.get("constraints", "").splitlines():
        terminal.say(f"{document.label}: {line}")


def apply_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Save every document, each in a transaction of its own; nothing is saved when one of them is invalid."""
    if options.draft and (options.delete or options.disable_triggers):
        raise UsageError("A draft changes nothing that runs: give --draft without --delete and --disable-triggers.")
    target = open_target(options)
    documents = _read_moved(options)
    checks = [target.flows.check(document.text) for document in _count(terminal, "checked", documents)]
    _refuse_doubles(documents, checks)
    if any(not _is_savable(check, options) for check in checks):
        rows = [_describe_refusal(document, check) for document, check in zip(documents, checks, strict=True)]
        for document, check in zip(documents, checks, strict=True):
            _say_faults(terminal, document, check)
    else:
        names = [_name_of(check) for check in checks]
        rows = _save_all(terminal, target, documents, names, options)
        if options.delete and not _has_failure(rows):
            rows += _delete_missing(terminal, target, names, options)
    terminal.show_rows(APPLY_COLUMNS, rows, json_rows=[{**row, "filename": row["file"]} for row in rows])
    if _has_failure(rows):
        return Exit.FAILED
    return conclude(options, would_change=any(row["action"] in WRITING_ACTIONS for row in rows))


def _is_savable(check: Json, options: argparse.Namespace) -> bool:
    """Tell whether a checked document can be saved. Of a draft only the names need to be good, which the save looks at."""
    return "constraints" not in check or (options.draft and "namespace" in check and "flow" in check)


def diff_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Write a unified diff of stored sources against files, then what is new and what is missing."""
    target = open_target(options)
    documents = _read_moved(options)
    checks = [target.flows.check(document.text) for document in _count(terminal, "checked", documents)]
    differences: list[Json] = []
    for document, check in zip(documents, checks, strict=True):
        if "constraints" in check:
            raise InvalidError(f"{document.label} is no valid flow: {check['constraints']}")
        name = _name_of(check)
        stored = target.flows.find(*name)
        if stored is None:
            differences.append({"flow": _label(name), "action": "created", "diff": ""})
            continue
        before, after = stored["source"], text_to_store(document.text)
        if before != after:
            diff = _diff_texts(before, after, _label(name), document.label)
            differences.append({"flow": _label(name), "action": "updated", "diff": diff})
    if options.delete:
        missing = _list_missing(target, [_name_of(check) for check in checks])
        differences += [{"flow": _label(name), "action": "deleted", "diff": ""} for name in missing]
    _show_differences(terminal, differences)
    return Exit.FAILED if differences and options.exit_code else Exit.DONE


def _show_differences(terminal: Terminal, differences: Sequence[Json]) -> None:
    if terminal.output == "json":
        terminal.show_json(differences)
        return
    for difference in differences:
        if difference["diff"]:
            terminal.write(difference["diff"])
    for difference in differences:
        if not difference["diff"]:
            terminal.write(f"{'new' if difference['action'] == 'created' else 'missing'}: {difference['flow']}")


def _read(paths: Sequence[str]) -> list[FlowDocument]:
    documents = read_documents(paths)
    if not documents:
        raise UsageError(f"No flow was found in {', '.join(paths)}: flow files end in .yml or .yaml.")
    return documents


def _read_moved(options: argparse.Namespace) -> list[FlowDocument]:
    documents = _read(options.path)
    return [move_to_namespace(each, namespace=options.namespace, prefix=options.namespace_prefix) for each in documents]


def _count(terminal: Terminal, what: str, documents: Sequence[FlowDocument]) -> Iterator[FlowDocument]:
    for position, document in enumerate(documents, 1):
        yield document
        terminal.report(what, position, len(documents))


def _check_offline(text: str) -> Json:
    data = read_document(text).data
    names = data if isinstance(data, dict) else {}
    result = parse_flow(text, get_registry())
    namespace, flow_id = (value if isinstance(value, str) else None for value in (names.get("namespace"), names.get("id")))
    return present_check(DocumentCheck(0, namespace, flow_id, result.flow, tuple(result.problems)))


def _name_of(check: Json) -> Name:
    return check.get("namespace") or "?", check.get("flow") or "?"


def _label(name: Name) -> str:
    return "/".join(name)


def _refuse_doubles(documents: Sequence[FlowDocument], checks: Sequence[Json]) -> None:
    seen: dict[Name, str] = {}
    for document, check in zip(documents, checks, strict=True):
        name = _name_of(check)
        if "?" in name:
            continue
        if name in seen:
            raise InvalidError(f"Flow {_label(name)} stands in {seen[name]} and in {document.label}: keep one of them.")
        seen[name] = document.label


def _save_all(
    terminal: Terminal, target: Target, documents: Sequence[FlowDocument], names: Sequence[Name], options: argparse.Namespace
) -> list[Json]:
    rows: list[Json] = []
    for document, name in zip(_count(terminal, "saved", documents), names, strict=True):
        row = {"file": document.label, "flow": name[1], "namespace": name[0]}
        try:
            rows.append({**row, **_save_one(terminal, target, document, name, options), "error": None})
        except FlowsError as error:
            rows.append({**row, "revision": None, "action": "failed", "error": error.message})
            if options.fail_fast:
                break
    return rows


def _save_one(terminal: Terminal, target: Target, document: FlowDocument, name: Name, options: argparse.Namespace) -> Json:
    stored = target.flows.find(*name)
    if stored is not None and not options.override:
        raise InvalidError(f"Flow {_label(name)} already exists, and --no-override protects it.", code="flow-exists")
    known = stored["revision"] if stored is not None else 0
    if options.dry_run:
        is_same = stored is not None and stored["source"] == text_to_store(document.text) and stored["draft"] is options.draft
        revision = known if is_same else known + 1
    else:
        stopped = _list_triggers(terminal, document, name) if options.disable_triggers else ()
        saved = target.flows.save(document.text, name, is_new=stored is None, draft=options.draft, stopped_triggers=stopped)
        revision = saved["revision"]
    changed = "draft" if options.draft else "created" if stored is None else "updated"
    return {"revision": revision, "action": "unchanged" if revision == known else changed}


def _list_triggers(terminal: Terminal, document: FlowDocument, name: Name) -> list[str]:
    flow = parse_flow(document.text, get_registry()).flow
    triggers = flow.triggers if flow is not None else ()
    for trigger in triggers:
        if trigger.family not in STATEFUL_FAMILIES and not trigger.disabled:
            terminal.say(f'{_label(name)}: trigger "{trigger.id}" has no switch; write "disabled: true" into the flow.')
    return [trigger.id for trigger in triggers if trigger.family in STATEFUL_FAMILIES]


def _describe_refusal(document: FlowDocument, check: Json) -> Json:
    return {
        "file": document.label,
        "flow": check.get("flow"),
        "namespace": check.get("namespace"),
        "revision": None,
        "action": "failed" if "constraints" in check else "skipped",
        "error": check.get("constraints", "").replace("\n", "; ") or None,
    }


def _list_missing(target: Target, names: Sequence[Name]) -> list[Name]:
    namespaces = sorted({namespace for namespace, _ in names})
    stored = [name for namespace in namespaces for name in target.flows.list_of_namespace(namespace)]
    return [name for name in stored if name not in set(names)]


def _delete_missing(terminal: Terminal, target: Target, names: Sequence[Name], options: argparse.Namespace) -> list[Json]:
    doomed = _list_missing(target, names)
    if doomed and not options.dry_run:
        question = f"Delete {len(doomed)} flows that no file holds ({', '.join(map(_label, doomed))})?"
        if not terminal.confirm(question, yes=options.yes):
            return []
    rows = []
    for name in doomed:
        revision = target.flows.get(*name)["revision"]
        if not options.dry_run:
            target.flows.delete(name)
            revision += 1
        row = {"file": "", "flow": name[1], "namespace": name[0], "revision": revision, "action": "deleted", "error": None}
        rows.append(row)
    return rows


def _has_failure(rows: Sequence[Json]) -> bool:
    return any(row["action"] == "failed" for row in rows)


def _diff_texts(before: str, after: str, name: str, label: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"stored {name}", f"file {label}", lineterm="")
    return "\n".join(lines)
