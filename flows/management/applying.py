"""`flows validate`, `apply` and `diff`: from documents on this host to stored flows. All are checked before one is saved."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from flows.language.parse import parse_flow
from flows.language.source import read_document
from flows.management.documents import FlowDocument, move_to_namespace, read_documents
from flows.management.running import ACTOR
from flows.management.selection import add_yes
from flows.management.terminal import Exit, Terminal, UsageError, add_action
from flows.models import Flow
from flows.operations.flows import DocumentCheck, SaveMode, check_document, delete_flow, save_flow
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.problems import Severity

VALIDATE_COLUMNS = ("file", "flow", "status", "constraints", "warnings", "infos", "deprecations")
APPLY_COLUMNS = ("file", "flow", "namespace", "revision", "action", "error")
WRITING_ACTIONS = frozenset({"created", "updated", "deleted"})


def add_validate(actions: Any) -> None:
    """Add the action `validate PATH...`."""
    parser = add_action(actions, "validate", validate_paths, about="Checks flow files; nothing is stored.", aliases=("check",))
    parser.add_argument("path", nargs="+", help='a file, a folder or "-"')
    parser.add_argument("--offline", action="store_true", help="without the database: namespace defaults are not known")
    parser.add_argument("--strict", action="store_true", help="warnings and deprecations fail as well")


def add_apply(actions: Any) -> None:
    """Add the action `apply PATH...`."""
    parser = add_action(
        actions, "apply", apply_paths, about="Saves the flows of files; unchanged ones stay.", aliases=("deploy",)
    )
    _add_target(parser)
    parser.add_argument("--override", action=argparse.BooleanOptionalAction, default=True, help="replace flows that exist")
    parser.add_argument("--delete", action="store_true", help="delete flows of the touched namespaces that no file holds")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first flow that cannot be saved")
    parser.add_argument("--dry-run", action="store_true", help="show what would change")
    parser.add_argument("--exit-code", action="store_true", help="with --dry-run: 1 when something would change")
    add_yes(parser)


def add_diff(actions: Any) -> None:
    """Add the action `diff PATH...`."""
    parser = add_action(actions, "diff", diff_paths, about="Compares flow files with the stored flows.")
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
    rows: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    has_failed = False
    for document in _read(options.path):
        check = _check_offline(document.text) if options.offline else check_document(document.text)
        answer = _describe_check(document, check)
        faults = check.list_problems(Severity.WARNING) + check.list_problems(Severity.DEPRECATION) if options.strict else []
        has_failed = has_failed or not check.is_valid or bool(faults)
        answers.append({"index": len(answers), "filename": document.file, **answer})
        rows.append(
            {
                "file": document.label,
                "flow": _name_of(check),
                "status": "valid" if check.is_valid else "invalid",
                "constraints": answer.get("constraints", "").replace("\n", "; "),
                "warnings": "; ".join(answer["warnings"]),
                "infos": "; ".join(answer["infos"]),
                "deprecations": "; ".join(answer["deprecationPaths"]),
            }
        )
        if terminal.output == "table" and not check.is_valid:
            # A table cell is cut; whoever repairs the file needs every line.
            for problem in check.list_problems(Severity.ERROR):
                terminal.say(f"{document.label}: {problem}")
    terminal.show_rows(VALIDATE_COLUMNS, rows, json_rows=answers)
    return Exit.FAILED if has_failed else Exit.DONE


def apply_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Save every document, each in a transaction of its own; nothing is saved when one of them is invalid."""
    documents = _read_moved(options)
    checks = [check_document(document.text) for document in documents]
    _refuse_doubles(documents, checks)
    at = timezone.now()
    if all(check.is_valid for check in checks):
        rows = _save_all(documents, checks, options, at=at)
        if options.delete and not _has_failure(rows):
            rows += _delete_missing(terminal, checks, options, at=at)
    else:
        rows = [_describe_refusal(document, check) for document, check in zip(documents, checks, strict=True)]
    terminal.show_rows(APPLY_COLUMNS, rows, json_rows=[{**row, "filename": row["file"]} for row in rows])
    if _has_failure(rows):
        return Exit.FAILED
    would_change = any(row["action"] in WRITING_ACTIONS for row in rows)
    return Exit.FAILED if options.dry_run and options.exit_code and would_change else Exit.DONE


def diff_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Write a unified diff of stored sources against files, then what is new and what is missing."""
    documents = _read_moved(options)
    checks = [check_document(document.text) for document in documents]
    at = timezone.now()
    differences: list[dict[str, Any]] = []
    for document, check in zip(documents, checks, strict=True):
        if not check.is_valid:
            raise InvalidError(f"{document.label} is no valid flow.", problems=check.list_problems(Severity.ERROR))
        stored = Flow.objects.filter(namespace=check.namespace, flow_id=check.flow_id, deleted=False).first()
        name = _name_of(check)
        if stored is None:
            differences.append({"flow": name, "action": "created", "diff": ""})
            continue
        before = stored.revisions.values_list("source", flat=True).get(revision=stored.revision)
        after = save_flow(document.text, at=at, mode="update", dry_run=True).revision.source
        if before != after:
            differences.append({"flow": name, "action": "updated", "diff": _diff_texts(before, after, name, document.label)})
    if options.delete:
        differences += [{"flow": str(row), "action": "deleted", "diff": ""} for row in _list_missing(checks)]
    _show_differences(terminal, differences)
    return Exit.FAILED if differences and options.exit_code else Exit.DONE


def _show_differences(terminal: Terminal, differences: Sequence[dict[str, Any]]) -> None:
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


def _check_offline(text: str) -> DocumentCheck:
    data = read_document(text).data
    names = data if isinstance(data, dict) else {}
    result = parse_flow(text, get_registry())
    namespace, flow_id = names.get("namespace"), names.get("id")
    return DocumentCheck(
        0,
        namespace if isinstance(namespace, str) else None,
        flow_id if isinstance(flow_id, str) else None,
        result.flow,
        tuple(result.problems),
    )


def _describe_check(document: FlowDocument, check: DocumentCheck) -> dict[str, Any]:
    """Return the answer in the form of the REST API, 9.9."""
    answer: dict[str, Any] = {"outdated": check.outdated}
    if check.namespace:
        answer["namespace"] = check.namespace
    if check.flow_id:
        answer["flow"] = check.flow_id
    errors = check.list_problems(Severity.ERROR)
    if errors:
        answer["constraints"] = "\n".join(str(problem) for problem in errors)
    answer["warnings"] = [str(problem) for problem in check.list_problems(Severity.WARNING)]
    answer["infos"] = [str(problem) for problem in check.list_problems(Severity.INFO)]
    answer["deprecationPaths"] = [str(problem) for problem in check.list_problems(Severity.DEPRECATION)]
    return answer


def _name_of(check: DocumentCheck) -> str:
    return f"{check.namespace or '?'}/{check.flow_id or '?'}"


def _refuse_doubles(documents: Sequence[FlowDocument], checks: Sequence[DocumentCheck]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for document, check in zip(documents, checks, strict=True):
        if not check.is_valid:
            continue
        name = (check.namespace or "", check.flow_id or "")
        if name in seen:
            raise InvalidError(f"Flow {_name_of(check)} stands in {seen[name]} and in {document.label}: keep one of them.")
        seen[name] = document.label


def _save_all(
    documents: Sequence[FlowDocument], checks: Sequence[DocumentCheck], options: argparse.Namespace, *, at: datetime
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for document, check in zip(documents, checks, strict=True):
        row: dict[str, Any] = {"file": document.label, "flow": check.flow_id, "namespace": check.namespace}
        is_new = not Flow.objects.filter(namespace=check.namespace, flow_id=check.flow_id, deleted=False).exists()
        mode: SaveMode = "upsert" if options.override else "create"
        try:
            saved = save_flow(document.text, at=at, actor=ACTOR, mode=mode, dry_run=options.dry_run)
        except FlowsError as error:
            rows.append({**row, "revision": None, "action": "failed", "error": error.message})
            if options.fail_fast:
                return rows
            continue
        action = "created" if is_new else "updated" if saved.changed else "unchanged"
        rows.append({**row, "revision": saved.revision.revision, "action": action, "error": None})
    return rows


def _describe_refusal(document: FlowDocument, check: DocumentCheck) -> dict[str, Any]:
    faults = "; ".join(str(problem) for problem in check.list_problems(Severity.ERROR))
    return {
        "file": document.label,
        "flow": check.flow_id,
        "namespace": check.namespace,
        "revision": None,
        "action": "skipped" if check.is_valid else "failed",
        "error": faults or None,
    }


def _list_missing(checks: Sequence[DocumentCheck]) -> list[Flow]:
    names = {(check.namespace, check.flow_id) for check in checks}
    rows = Flow.objects.filter(namespace__in={check.namespace for check in checks}, deleted=False)
    return [row for row in rows if (row.namespace, row.flow_id) not in names]


def _delete_missing(
    terminal: Terminal, checks: Sequence[DocumentCheck], options: argparse.Namespace, *, at: datetime
) -> list[dict[str, Any]]:
    doomed = _list_missing(checks)
    if doomed and not options.dry_run:
        names = ", ".join(str(row) for row in doomed)
        if not terminal.confirm(f"Delete {len(doomed)} flows that no file holds ({names})?", yes=options.yes):
            return []
    rows = []
    for flow in doomed:
        revision = flow.revision if options.dry_run else delete_flow(flow.namespace, flow.flow_id, at=at, actor=ACTOR).revision
        rows.append(
            {
                "file": "",
                "flow": flow.flow_id,
                "namespace": flow.namespace,
                "revision": revision,
                "action": "deleted",
                "error": None,
            }
        )
    return rows


def _has_failure(rows: Sequence[dict[str, Any]]) -> bool:
    return any(row["action"] == "failed" for row in rows)


def _diff_texts(before: str, after: str, name: str, label: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"stored {name}", f"file {label}", lineterm="")
    return "\n".join(lines)
