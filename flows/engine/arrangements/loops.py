"""Loop: the same children once for each value, each iteration as an execution of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.engine import transitions
from flows.engine.arrangements.base import properties_of, render_bool, render_int
from flows.engine.arrangements.callees import Callee
from flows.engine.arrangements.iterations import as_value_text
from flows.engine.board import Root, Run
from flows.engine.children import start_iteration, take_over_children
from flows.engine.context import make_run_storage
from flows.engine.decide import UnitCount, count_units_to_start
from flows.engine.endings import is_cut_short
from flows.expressions import is_truthy
from flows.models.execution import Execution
from flows.primitives.errors import InvalidError
from flows.primitives.states import State, worst_of

if TYPE_CHECKING:
    from flows.engine.turn import Turn

_MOST_ALIVE = 500
_ADDRESSES = ("kestra://", "nsfile://", "file://")


class Loop(Callee):
    """Values, limit and `breakWhen` here; the children of an iteration live in the iteration's execution. FL 6.5."""

    def open(self, turn: Turn, run: Run) -> None:
        """Freeze the values and start the first iterations; after a restart only those that did not end well begin again."""
        if run.plan is not None:
            self._take_over(turn, run)
            return
        values, from_file = self._read_values(turn, run)
        run.items = [json.dumps(entry, ensure_ascii=False) for entry in values]
        fetch = str(properties_of(run).get("fetchType") or "AUTO").upper()
        run.plan = {
            "count": len(values),
            "limit": render_int(turn, run, "concurrencyLimit", 0),
            "store": fetch == "STORE" or (fetch == "AUTO" and from_file),
        }
        run.progress = {"started": 0, "ended": 0, "states": {}, "broken": False}
        self._go_on(turn, run)

    def _take_over(self, turn: Turn, run: Run) -> None:
        progress, missing = take_over_children(turn, run, in_place=True)
        for index in missing:
            for text in transitions.read_items(run, index, 1):
                start_iteration(turn, run, self._item_of(turn, json.loads(text), index), index)
        run.progress = {**progress, "broken": False}
        self._go_on(turn, run)
        self.follow_pauses(turn, run, is_news=True)

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Start what may start; nothing when all that may run does."""
        self._go_on(turn, run)

    def recover(self, turn: Turn, run: Run) -> None:
        """Go on after a pause by hand; the iterations that run report by themselves."""
        turn.mark_dirty((run.id, None))

    def shows_pauses(self, turn: Turn, run: Run) -> bool:
        """Iterations are a part of the execution, so their pauses are, too."""
        return True

    def take_end(self, turn: Turn, run: Run, child: Root) -> None:
        """Count the end of an iteration and start the next one."""
        progress = dict(run.progress or {})
        states = dict(progress.get("states", {}))
        states[child.state.value] = states.get(child.state.value, 0) + 1
        progress.update(ended=progress.get("ended", 0) + 1, states=states)
        condition = properties_of(run).get("breakWhen")
        if condition is not None and not progress.get("broken"):
            facts = {"executionId": child.id, "state": child.state.value, "outputs": child.outputs or {}}
            item = (child.loop or {}).get("item", {})
            progress["broken"] = is_truthy(turn.render(run, condition, extra={"iteration": facts, "item": item}))
        run.progress = progress
        self._go_on(turn, run)

    def _go_on(self, turn: Turn, run: Run) -> None:
        units = self._count(run)
        progress, plan = dict(run.progress or {}), run.plan or {}
        transmits = render_bool(turn, run, "transmitFailed", True)
        to_start = 0
        if not progress.get("broken") and not is_cut_short(turn.board, run):
            limit = int(plan.get("limit", 0)) or _MOST_ALIVE
            to_start = count_units_to_start(units, limit=limit, stop_on_failure=transmits)
        if to_start and turn.board.root.pause_asked:
            turn.board.touch(run)
            return
        first = units.started
        for index, text in enumerate(transitions.read_items(run, first, to_start), start=first):
            start_iteration(turn, run, self._item_of(turn, json.loads(text), index), index)
            progress["started"] = index + 1
        run.progress = progress
        units = self._count(run)
        run.outputs = {
            "iterationCount": units.total,
            "runningIterations": units.alive,
            # Clients read one number; the counts of each state stand beside it.
            "terminatedIterations": units.ended,
            "iterationStates": dict(units.states),
        }
        turn.board.touch(run)
        if not units.alive and (units.started >= units.total or to_start == 0):
            self._end(turn, run, units, transmits)

    def _end(self, turn: Turn, run: Run, units: UnitCount, transmits: bool) -> None:
        ended = {State(name) for name, count in units.states.items() if count}
        state = State.SUCCESS
        if transmits:
            state = State.FAILED if State.FAILED in ended else worst_of(ended)
        declared = properties_of(run).get("outputs")
        if declared:
            rows = self._collect(turn, run)
            if (run.plan or {}).get("store"):
                uri, _ = make_run_storage(turn.board, run).write_rows(rows, "outputs.ion")
                run.outputs = {**(run.outputs or {}), "uri": uri}
            else:
                run.outputs = {**(run.outputs or {}), "outputs": rows}
        turn.end_run(run, state, outputs=run.outputs)

    @staticmethod
    def _collect(turn: Turn, run: Run) -> list[dict[str, Any]]:
        children = Execution.objects.filter(caller_execution_id=turn.board.root.id, caller_task_run_id=run.id)
        rows = children.exclude(state=State.RETRIED).values_list("loop", "outputs")
        ordered = sorted(((loop or {}, outputs) for loop, outputs in rows), key=lambda row: int(row[0]["index"]))
        return [
            {
                "item": {"value": loop["item"]["value"], "iteration": loop["index"], "key": loop["item"].get("key")},
                "outputs": outputs or {},
            }
            for loop, outputs in ordered
        ]

    @staticmethod
    def _count(run: Run) -> UnitCount:
        plan, progress = run.plan or {}, run.progress or {}
        return UnitCount(
            int(plan.get("count", 0)), int(progress.get("started", 0)), int(progress.get("ended", 0)), progress.get("states", {})
        )

    @staticmethod
    def _item_of(turn: Turn, entry: dict[str, Any], index: int) -> dict[str, Any]:
        item = {"value": entry["value"], "index": index}
        if "key" in entry:
            item["key"] = entry["key"]
        outer = (turn.board.root.loop or {}).get("item")
        if outer:
            item["parent"] = {key: value for key, value in outer.items() if key not in ("parent", "parents")}
            item["parents"] = [item["parent"], *outer.get("parents", [])]
        return item

    @staticmethod
    def _read_values(turn: Turn, run: Run) -> tuple[list[dict[str, str]], bool]:
        """Return `{value}` or `{key, value}` for each iteration, and whether they came from a file."""
        written = properties_of(run).get("values")
        value = turn.render(run, written, typed=True) if isinstance(written, str) else turn.render(run, written)
        if isinstance(value, str) and value.strip().startswith(_ADDRESSES):
            rows = make_run_storage(turn.board, run).read_rows(value.strip())
            return [{"value": as_value_text(row)} for row in rows], True
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise InvalidError(
                    f'The values of Loop "{run.task_id}" must be a list, a map or the address of a file; got "{value[:200]}".'
                ) from error
        if isinstance(value, Mapping):
            return [{"key": str(key), "value": as_value_text(item)} for key, item in value.items()], False
        if not isinstance(value, list | tuple):
            raise InvalidError(f'The values of Loop "{run.task_id}" must be a list, a map or the address of a file.')
        if any(item is None for item in value):
            raise InvalidError(
                f'The values of Loop "{run.task_id}" contain null: an iteration needs a value. Remove it from the list.'
            )
        return [{"value": text} for text in dict.fromkeys(as_value_text(item) for item in value)], False
