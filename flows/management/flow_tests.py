"""`flows test`: runs a flow in this process, or the cases of test suites, and shows what came of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.utils import timezone

from flows.management.columns import EXECUTION_COLUMNS, TASK_RUN_COLUMNS, describe_execution, describe_task_run
from flows.management.documents import STANDARD_INPUT, read_documents
from flows.management.flow_plays import Play, Played, name_flow, play_flow, read_stand_ins
from flows.management.flow_suites import run_suites
from flows.management.following import exit_of
from flows.management.presenters import present_execution, present_log
from flows.management.running import add_inputs
from flows.management.selection import parse_span, read_inputs, read_pairs
from flows.management.terminal import Exit, Terminal, UsageError, add_action
from flows.models import Execution, LogEntry
from flows.queries.executions import list_task_runs

PARTS = ("logs", "tasks", "outputs")


def add_test(actions: Any) -> None:
    """Add the actions `test FILE`, `test NS.ID` and `test --suite PATH...`."""
    parser = add_action(
        actions, "test", run_test, about="Runs a flow in this process, without workers, and leaves nothing in the database."
    )
    parser.add_argument(
        "flow",
        nargs="+",
        metavar="FILE|NS.ID",
        help="a file with flows, of which the first is run, or a stored flow; with --suite paths",
    )
    add_inputs(parser)
    parser.add_argument("--label", action="append", default=[], metavar="K=V", help="a label; repeat it")
    parser.add_argument("--timeout", type=parse_span, help="kill the execution after this time, such as 10m")
    parser.add_argument(
        "--mock", action="append", default=[], metavar="TASK=JSON", help="outputs of a task that does not run; repeat it"
    )
    parser.add_argument("--no-tasks", metavar="REGEX", help="tasks whose ids match do not run and give nothing out")
    parser.add_argument("--show", default=",".join(PARTS), help="some of logs,tasks,outputs with commas between")
    parser.add_argument("--strict", action="store_true", help="WARNING counts as failure")
    parser.add_argument("--suite", action="store_true", help="run the test cases of the suites that the paths hold")
    parser.add_argument("--junit", metavar="FILE", help="with --suite: write the results for a CI server")


def run_test(terminal: Terminal, options: argparse.Namespace) -> int:
    """Run the flow to its end, or the cases of suites; status 0 when all went well."""
    if options.suite:
        return run_suites(terminal, options)
    if options.junit or len(options.flow) != 1:
        raise UsageError("flows test takes one flow; several paths and --junit go with --suite.")
    shown = {part.strip() for part in options.show.split(",") if part.strip()}
    if unknown := shown - set(PARTS):
        raise UsageError(f'--show knows {", ".join(PARTS)}; got "{min(unknown)}".')
    sources = _read_sources(options.flow[0])
    play = Play(
        sources,
        name_flow(sources[0]) if sources else _split_name(options.flow[0]),
        read_inputs(options),
        list(read_pairs(options.label, option="--label").items()),
        read_stand_ins(options),
        options.timeout,
    )
    with play_flow(terminal, play, with_logs="logs" in shown) as played:
        _show(terminal, played.execution, shown)
        return _conclude(terminal, played, strict=options.strict)


def _read_sources(text: str) -> list[str]:
    if text != STANDARD_INPUT and not Path(text).exists():
        return []
    documents = read_documents([text])
    if not documents:
        raise UsageError(f'"{text}" holds no flow.')
    return [document.text for document in documents]


def _split_name(text: str) -> tuple[str, str]:
    namespace, _, flow_id = text.replace("/", ".").rpartition(".")
    if not namespace or text.endswith((".yml", ".yaml")):
        raise UsageError(f'"{text}" is neither a file nor a stored flow such as company.team.daily.')
    return namespace, flow_id


def _show(terminal: Terminal, row: Execution, shown: set[str]) -> None:
    data = present_execution(row, list(list_task_runs(row.id)))
    if terminal.output == "json":
        if "tasks" not in shown:
            del data["taskRunList"]
        if "outputs" not in shown:
            data.pop("outputs", None)
        if "logs" in shown:
            data["logs"] = [present_log(entry) for entry in LogEntry.objects.filter(execution_id=row.id).order_by("id")]
        terminal.show_json(data)
        return
    at = timezone.now()
    if "tasks" in shown and data["taskRunList"]:
        terminal.show_rows(TASK_RUN_COLUMNS, [describe_task_run(run, at=at) for run in data["taskRunList"]])
        terminal.write("")
    terminal.show_rows(EXECUTION_COLUMNS, [describe_execution(data, at=at)])
    if "outputs" in shown and data.get("outputs"):
        terminal.show_json(data["outputs"])


def _conclude(terminal: Terminal, played: Played, *, strict: bool) -> int:
    if played.fault:
        terminal.say(played.fault)
        return Exit.FAILED
    if played.execution.error:
        terminal.say(played.execution.error)
    return exit_of(played.execution.state, strict=strict)
