"""`manage.py flows ACTION`: validate, apply, compare, export, run and switch flows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from flows.management.applying import add_apply, add_diff, add_validate
from flows.management.columns import describe_flow, describe_revision
from flows.management.connecting import add_data_action, open_target
from flows.management.dependencies import add_dependencies
from flows.management.drawing import add_graph
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.flow_tests import add_test
from flows.management.linting import add_lint
from flows.management.running import add_run
from flows.management.selection import add_page, add_selection, add_yes, has_selection, parse_count, read_criteria, read_window
from flows.management.targets import Target
from flows.management.targets.flows import SCHEMA_KINDS, Flows, Name
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, allow_yaml, say_error, status_of
from flows.primitives.errors import FlowsError

FLOW_COLUMNS = ("namespace", "id", "revision", "disabled", "updated", "problem")
REVISION_COLUMNS = ("revision", "saved", "draft", "deleted", "lines")
NAME_COLUMNS = ("namespace", "id")
CHANGES = (("enable", "Switches flows on."), ("disable", "Switches flows off."), ("delete", "Deletes flows."))


class Command(GroupCommand):
    """The flows of an installation."""

    help = "Validates, applies, compares, tests, exports, runs and switches flows."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        add_validate(actions)
        add_apply(actions)
        add_diff(actions)
        _add_export(actions)
        _add_import(actions)
        _add_list(actions)
        _add_get(actions)
        add_test(actions)
        add_run(actions)
        for name, about in CHANGES:
            parser = add_data_action(actions, name, change_flows, about=about)
            parser.add_argument(
                "flow", nargs="*", metavar="NS ID", help="pairs of namespace and id; or choose flows by the options below"
            )
            add_selection(parser)
            add_yes(parser)
            add_dry_run(parser)
            parser.set_defaults(change=name)
        revisions = add_data_action(actions, "revisions", show_revisions, about="Lists the revisions of a flow.")
        rollback = add_data_action(actions, "rollback", roll_back, about="Saves an old revision as a new one.")
        for parser in (revisions, rollback):
            parser.add_argument("namespace", help="namespace of the flow")
            parser.add_argument("id", help="id of the flow")
        rollback.add_argument("--revision", type=parse_count, required=True, help="the revision that comes back")
        add_dry_run(rollback)
        add_graph(actions)
        add_dependencies(actions)
        schema = add_data_action(actions, "schema", show_schema, about="Writes the JSON schema of flows, for editors.")
        schema.add_argument("--type", choices=SCHEMA_KINDS, default="flow", help="what the schema is for")
        add_lint(actions)


def _add_list(actions: Any) -> None:
    parser = add_data_action(actions, "list", list_flows, about="Lists flows.")
    add_selection(parser)
    add_page(parser)


def _add_get(actions: Any) -> None:
    parser = add_data_action(actions, "get", show_flow, about="Writes the source of a flow.")
    parser.add_argument("namespace", help="namespace of the flow")
    parser.add_argument("id", help="id of the flow")
    parser.add_argument("--revision", type=parse_count, help="a revision instead of the newest one")
    parser.add_argument("--source", action="store_true", help="the source alone, which is the default")
    allow_yaml(parser)


def _add_export(actions: Any) -> None:
    parser = add_data_action(actions, "export", export, about='Writes sources to a folder, or a zip to a file or "-".')
    parser.add_argument("folder", nargs="?", metavar="DIR", help='the folder, or "-" for a zip on standard output')
    parser.add_argument("--zip", metavar="FILE", help="write a zip instead")
    parser.add_argument("--flat", action="store_true", help="NS.ID.yml in one folder instead of NAMESPACE/ID.yml")
    add_selection(parser)


def _add_import(actions: Any) -> None:
    parser = add_data_action(actions, "import", import_file, about="Saves the flows of a zip or of a YAML file.")
    parser.add_argument("file", help="a .zip, .yml or .yaml file")
    parser.add_argument("--fail-on-error", action="store_true", help="save nothing when one flow cannot be saved")
    add_dry_run(parser)


def list_flows(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a page of flows."""
    found = open_target(options).flows.search(read_criteria(options), read_window(options))
    terminal.show_rows(FLOW_COLUMNS, [describe_flow(each) for each in found], json_rows=found)


def show_flow(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the YAML source of a revision, or an object with it."""
    flow = open_target(options).flows.get(options.namespace, options.id, options.revision)
    if terminal.output == "json":
        terminal.show_json(flow)
    else:
        terminal.write(flow["source"])


def show_revisions(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show all revisions, oldest first."""
    found = open_target(options).flows.list_revisions(options.namespace, options.id)
    terminal.show_rows(REVISION_COLUMNS, [describe_revision(each) for each in found], json_rows=found)


def roll_back(terminal: Terminal, options: argparse.Namespace) -> int:
    """Save the source of an old revision as the newest one."""
    flows = open_target(options).flows
    old = flows.get(options.namespace, options.id, options.revision)
    now = flows.get(options.namespace, options.id)
    differs = old["source"] != now["source"] or now["draft"]
    if options.dry_run:
        saved = {**now, "source": old["source"], "draft": False, "revision": now["revision"] + differs}
    else:
        saved = flows.save(old["source"], (options.namespace, options.id), is_new=False)
    terminal.show_rows(FLOW_COLUMNS, [describe_flow(saved)], json_rows=saved)
    return conclude(options, would_change=differs)


def show_schema(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the JSON schema of a flow, or of one of its elements."""
    terminal.show_json(open_target(options).flows.get_schema(options.type))


def export(terminal: Terminal, options: argparse.Namespace) -> int:
    """Write one file per flow, or a zip archive."""
    if (options.folder is None) is (options.zip is None):
        raise UsageError('flows export takes either a folder, or --zip FILE where "-" is standard output.')
    flows, criteria = open_target(options).flows, read_criteria(options)
    if options.folder == "-" or options.zip == "-":
        sys.stdout.flush()
        flows.export(criteria, sys.stdout.buffer)
        return Exit.DONE
    try:
        if options.zip:
            with Path(options.zip).open("wb") as written:
                flows.export(criteria, written)
            terminal.say(f"written to {options.zip}")
        else:
            _write_sources(terminal, options, flows.list_names(criteria))
    except OSError as error:
        raise UsageError(f'"{error.filename}" cannot be written ({error.strerror}).') from error
    return Exit.DONE


def _write_sources(terminal: Terminal, options: argparse.Namespace, names: list[Name]) -> None:
    flows, folder = open_target(options).flows, Path(options.folder)
    count = 0
    for position, (namespace, flow_id) in enumerate(names, 1):
        source = _find_published(flows, (namespace, flow_id))
        if source is None:
            continue
        count += 1
        path = folder / f"{namespace}.{flow_id}.yml" if options.flat else folder / namespace / f"{flow_id}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        terminal.report("flows", position, len(names))
    terminal.say(f"{count} flows exported")


def _find_published(flows: Flows, name: Name) -> str | None:
    """Return the source that executions of a flow run, or None when only drafts were saved."""
    flow = flows.get(*name)
    if not flow["draft"]:
        return str(flow["source"])
    older = [revision for revision in flows.list_revisions(*name) if not revision["draft"]]
    return None if not older or older[-1]["deleted"] else str(older[-1]["source"])


def import_file(terminal: Terminal, options: argparse.Namespace) -> int:
    """Save the flows of a file; list what failed."""
    path = Path(options.file)
    if not path.is_file():
        raise UsageError(f'"{options.file}" does not exist: give a .zip, .yml or .yaml file.')
    failed = open_target(options).flows.import_file(path, fail_on_error=options.fail_on_error, dry_run=options.dry_run)
    if failed or terminal.output == "json":
        terminal.show_rows(("failed",), [{"failed": name} for name in failed], json_rows=failed)
    else:
        terminal.write(f'Every flow of "{path.name}" {"can be" if options.dry_run else "was"} saved.')
    return Exit.FAILED if failed else conclude(options, would_change=True)


def change_flows(terminal: Terminal, options: argparse.Namespace) -> int:
    """Enable, disable or delete flows by name or selection; show how many were changed."""
    target = open_target(options)
    names = _read_names(target, options)
    if options.dry_run:
        names = [name for name in names if _would_change(target, options.change, name)]
        terminal.show_rows(NAME_COLUMNS, [{"namespace": namespace, "id": flow_id} for namespace, flow_id in names])
        return conclude(options, would_change=bool(names))
    is_dangerous = options.change == "delete" or not options.flow
    if is_dangerous and not terminal.confirm(f"{options.change.capitalize()} {len(names)} flows?", yes=options.yes):
        return Exit.FAILED
    status, count = Exit.DONE, 0
    for position, name in enumerate(names, 1):
        try:
            count += _change(target, options.change, name)
        except FlowsError as error:
            say_error(terminal, error)
            status = status_of(error)
        terminal.report(options.change, position, len(names))
    if terminal.output == "json":
        terminal.show_json({"count": count})
    else:
        terminal.write(f"{count} flows {options.change}d")
    return status


def _would_change(target: Target, change: str, name: Name) -> bool:
    flow = target.flows.get(*name)
    return change == "delete" or flow["disabled"] is (change == "enable")


def _change(target: Target, change: str, name: Name) -> bool:
    if not _would_change(target, change, name):
        return False
    if change == "delete":
        target.flows.delete(name)
    else:
        target.flows.switch(name, disabled=change == "disable")
    return True


def _read_names(target: Target, options: argparse.Namespace) -> list[Name]:
    if options.flow:
        if has_selection(options):
            raise UsageError("Give either names or a selection, not both.")
        if len(options.flow) % 2:
            raise UsageError("Flows are named by pairs of namespace and id.")
        return list(zip(options.flow[::2], options.flow[1::2], strict=True))
    if not has_selection(options):
        raise UsageError("Name flows by namespace and id, or choose them with --namespace, --query or --filter.")
    return target.flows.list_names(read_criteria(options))
