"""`manage.py flows ACTION`: validate, apply, compare, export, run and switch flows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from django.utils import timezone

from flows.language.schema import flow_schema
from flows.management.applying import add_apply, add_diff, add_validate
from flows.management.dependencies import add_dependencies
from flows.management.drawing import add_graph
from flows.management.dry_runs import add_dry_run, undone_if_dry
from flows.management.flow_tests import add_test
from flows.management.linting import add_lint
from flows.management.presentation import describe_flow, describe_revision, present_flow, present_revision
from flows.management.running import ACTOR, add_run
from flows.management.selection import add_page, add_selection, add_yes, has_selection, parse_count, read_criteria, read_window
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action, allow_yaml, say_error, status_of
from flows.models import Flow
from flows.operations.flow_bundles import export_flows, import_flows
from flows.operations.flows import delete_flow, save_flow, set_flow_disabled
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError
from flows.queries.flows import filter_flows, get_flow_text, list_revisions, search_flows

FLOW_COLUMNS = ("namespace", "id", "revision", "disabled", "updated", "problem")
REVISION_COLUMNS = ("revision", "saved", "by", "deleted", "lines")


class Command(GroupCommand):
    """The flows of this installation."""

    help = "Validates, applies, compares, exports, runs and switches flows."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        add_validate(actions)
        add_apply(actions)
        add_diff(actions)
        add_test(actions)
        add_run(actions)
        _add_list(actions)
        _add_get(actions)
        _add_export(actions)
        _add_import(actions)
        for name, about in (("enable", "Switches flows on."), ("disable", "Switches flows off."), ("delete", "Deletes flows.")):
            parser = add_action(actions, name, change_flows, about=about)
            parser.add_argument("flow", nargs="*", metavar="NS ID", help="pairs of namespace and id")
            parser.add_argument("--dry-run", action="store_true", help="show what would change")
            add_selection(parser)
            add_yes(parser)
            parser.set_defaults(change=name)
        revisions = add_action(actions, "revisions", show_revisions, about="Lists the revisions of a flow.")
        rollback = add_action(actions, "rollback", roll_back, about="Saves an old revision as a new one.")
        for parser in (revisions, rollback):
            parser.add_argument("namespace")
            parser.add_argument("id")
        rollback.add_argument("--revision", type=parse_count, required=True)
        add_dry_run(rollback)
        add_graph(actions)
        add_dependencies(actions)
        add_lint(actions)
        add_action(actions, "schema", show_schema, about="Writes the JSON schema of flows, for editors.")


def _add_list(actions: Any) -> None:
    parser = add_action(actions, "list", list_flows, about="Lists flows.")
    add_selection(parser)
    add_page(parser)


def _add_get(actions: Any) -> None:
    parser = add_action(actions, "get", show_flow, about="Writes the source of a flow.")
    parser.add_argument("namespace")
    parser.add_argument("id")
    parser.add_argument("--revision", type=parse_count)
    parser.add_argument("--source", action="store_true", help="the source alone, which is the default")
    allow_yaml(parser)


def _add_export(actions: Any) -> None:
    parser = add_action(actions, "export", export, about='Writes sources to a folder, or a zip to a file or "-".')
    parser.add_argument("folder", nargs="?", metavar="DIR")
    parser.add_argument("--zip", metavar="FILE")
    parser.add_argument("--flat", action="store_true", help="NS.ID.yml in one folder instead of NAMESPACE/ID.yml")
    add_selection(parser)


def _add_import(actions: Any) -> None:
    parser = add_action(actions, "import", import_file, about="Saves the flows of a zip or of a YAML file.")
    parser.add_argument("file")
    parser.add_argument("--fail-on-error", action="store_true", help="save nothing when one flow cannot be saved")
    add_dry_run(parser)


def list_flows(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a page of flows."""
    page = search_flows(read_criteria(options), read_window(options))
    terminal.show_rows(
        FLOW_COLUMNS, [describe_flow(row) for row in page.results], json_rows=[present_flow(row) for row in page.results]
    )


def show_flow(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the YAML source of a revision, or an object with it."""
    text = get_flow_text(options.namespace, options.id, options.revision)
    if terminal.output == "json":
        terminal.show_json(present_revision(text.revision, text.flow))
    else:
        terminal.write(text.revision.source)


def show_revisions(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show all revisions, oldest first."""
    texts = list_revisions(options.namespace, options.id, allow_deleted=True)
    terminal.show_rows(
        REVISION_COLUMNS,
        [describe_revision(text.revision) for text in texts],
        json_rows=[present_revision(text.revision, text.flow) for text in texts],
    )


def roll_back(terminal: Terminal, options: argparse.Namespace) -> None:
    """Save the source of an old revision as the newest one."""
    text = get_flow_text(options.namespace, options.id, options.revision)
    with undone_if_dry(options):
        saved = save_flow(
            text.revision.source, at=timezone.now(), actor=ACTOR, namespace=options.namespace, flow_id=options.id, mode="update"
        )
    terminal.show_rows(FLOW_COLUMNS, [describe_flow(saved.flow)], json_rows=[present_flow(saved.flow)])


def show_schema(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the JSON schema of a flow."""
    terminal.show_json(flow_schema(get_registry()))


def export(terminal: Terminal, options: argparse.Namespace) -> int:
    """Write one file per flow, or a zip archive."""
    if (options.folder is None) is (options.zip is None):
        raise UsageError('flows export takes either a folder, or --zip FILE where "-" is standard output.')
    rows = list(filter_flows(read_criteria(options)).order_by("namespace", "flow_id"))
    if options.folder == "-" or options.zip == "-":
        sys.stdout.buffer.write(export_flows(rows))
        return Exit.DONE
    if options.zip:
        Path(options.zip).write_bytes(export_flows(rows))
    else:
        _write_sources(rows, Path(options.folder), flat=options.flat)
    terminal.say(f"{len(rows)} flows exported")
    return Exit.DONE


def _write_sources(rows: list[Flow], folder: Path, *, flat: bool) -> None:
    for row in rows:
        source = row.revisions.values_list("source", flat=True).get(revision=row.revision)
        path = folder / f"{row.namespace}.{row.flow_id}.yml" if flat else folder / row.namespace / f"{row.flow_id}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")


def import_file(terminal: Terminal, options: argparse.Namespace) -> int:
    """Save the flows of a file; list what failed."""
    path = Path(options.file)
    if not path.is_file():
        raise UsageError(f'"{options.file}" does not exist: give a .zip, .yml or .yaml file.')
    at = timezone.now()
    with undone_if_dry(options):
        failed = import_flows(path.read_bytes(), name=path.name, at=at, actor=ACTOR, fail_on_error=options.fail_on_error)
    terminal.show_rows(("failed",), [{"failed": name} for name in failed], json_rows=failed)
    return Exit.FAILED if failed else Exit.DONE


def change_flows(terminal: Terminal, options: argparse.Namespace) -> int:
    """Enable, disable or delete flows by name or selection; show how many were changed."""
    names = _read_names(options)
    if options.dry_run:
        terminal.show_rows(("namespace", "id"), [{"namespace": namespace, "id": flow_id} for namespace, flow_id in names])
        return Exit.DONE
    is_dangerous = options.change == "delete" or not options.flow
    if is_dangerous and not terminal.confirm(f"{options.change.capitalize()} {len(names)} flows?", yes=options.yes):
        return Exit.FAILED
    status, count = Exit.DONE, 0
    for namespace, flow_id in names:
        try:
            if options.change == "delete":
                delete_flow(namespace, flow_id, at=timezone.now(), actor=ACTOR)
                count += 1
            else:
                disabled = options.change == "disable"
                count += set_flow_disabled(namespace, flow_id, disabled=disabled, at=timezone.now(), actor=ACTOR) is not None
        except FlowsError as error:
            say_error(terminal, error)
            status = status_of(error)
    if terminal.output == "json":
        terminal.show_json({"count": count})
    else:
        terminal.write(f"{count} flows {options.change}d")
    return status


def _read_names(options: argparse.Namespace) -> list[tuple[str, str]]:
    if options.flow:
        if has_selection(options):
            raise UsageError("Give either names or a selection, not both.")
        if len(options.flow) % 2:
            raise UsageError("Flows are named by pairs of namespace and id.")
        return list(zip(options.flow[::2], options.flow[1::2], strict=True))
    if not has_selection(options):
        raise UsageError("Name flows by namespace and id, or choose them with --namespace, --query or --filter.")
    rows = filter_flows(read_criteria(options)).order_by("namespace", "flow_id")
    return list(rows.values_list("namespace", "flow_id"))
