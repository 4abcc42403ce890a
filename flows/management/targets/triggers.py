"""The triggers that commands work on: those of this database, or those of another installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone

from flows.language.parse import parse_flow
from flows.management.presenters import TRIGGER, Json, narrow, present_trigger
from flows.management.targets.actor import ACTOR, undone_if
from flows.management.targets.server import Server
from flows.operations import triggers as operations
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import ConflictError, FlowsError, NotFoundError
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.pages import Window
from flows.queries.triggers import filter_triggers, get_trigger_state, list_next_dates, list_schedule_dates, search_triggers

CHANGES = ("enable", "disable", "unlock", "restart")
Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Backfill:
    """The range that a backfill fires, and what its executions are given."""

    start: datetime
    end: datetime | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[tuple[str, str]] = ()


class Triggers(Protocol):
    """What commands do with triggers. Names are (namespace, flow id, trigger id); documents are states of the REST API."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        """Return one page of states."""

    def list_all(self, criteria: Criteria) -> list[Json]:
        """Return all states that match, by namespace, flow and id."""

    def get(self, name: Name) -> Json:
        """Return the state of a trigger. Raises NotFoundError."""

    def change(self, name: Name, change: str) -> Json:
        """Do one of `CHANGES` and return the state. Raises NotFoundError, ConflictError."""

    def start_backfill(self, name: Name, wanted: Backfill, *, dry_run: bool) -> Json:
        """Let a schedule fire the dates of a range. Raises NotFoundError, ConflictError, InvalidError."""

    def steer_backfill(self, name: Name, word: str, *, dry_run: bool) -> Json:
        """Pause, unpause or cancel the backfill of a trigger."""

    def list_dates(self, trigger: Json, *, count: int) -> list[datetime]:
        """Return the next dates of a schedule, aware, in its own zone; empty for other triggers."""


class LocalTriggers:
    """The triggers of this database."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        return [present_trigger(row) for row in search_triggers(criteria, window, at=timezone.now()).results]

    def list_all(self, criteria: Criteria) -> list[Json]:
        rows = filter_triggers(criteria, at=timezone.now()).order_by("namespace", "flow_id", "trigger_id")
        return [present_trigger(row) for row in rows]

    def get(self, name: Name) -> Json:
        return present_trigger(get_trigger_state(*name))

    def change(self, name: Name, change: str) -> Json:
        shared: dict[str, Any] = {**_name(name), "at": timezone.now(), "actor": ACTOR}
        if change == "unlock":
            return present_trigger(operations.unlock_trigger(**shared))
        if change == "restart":
            return present_trigger(operations.restart_trigger(**shared))
        return present_trigger(operations.set_trigger_disabled(**shared, disabled=change == "disable"))

    def start_backfill(self, name: Name, wanted: Backfill, *, dry_run: bool) -> Json:
        with undone_if(dry_run):
            row = operations.create_backfill(
                **_name(name),
                start=wanted.start,
                end=wanted.end,
                inputs=wanted.inputs,
                labels=list(wanted.labels),
                at=timezone.now(),
                actor=ACTOR,
            )
            return present_trigger(row)

    def steer_backfill(self, name: Name, word: str, *, dry_run: bool) -> Json:
        shared: dict[str, Any] = {**_name(name), "at": timezone.now(), "actor": ACTOR}
        with undone_if(dry_run):
            if word == "cancel":
                return present_trigger(operations.delete_backfill(**shared))
            return present_trigger(operations.set_backfill_paused(**shared, paused=word == "pause"))

    def list_dates(self, trigger: Json, *, count: int) -> list[datetime]:
        state = get_trigger_state(trigger["namespace"], trigger["flowId"], trigger["triggerId"])
        return list_next_dates(state, at=timezone.now(), count=count)


class RemoteTriggers:
    """The triggers of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        rows = self._server.search("triggers", "search", criteria=criteria, window=window)
        return [narrow(row["state"], TRIGGER) for row in rows]

    def list_all(self, criteria: Criteria) -> list[Json]:
        rows = [narrow(row["state"], TRIGGER) for row in self._server.list_all("triggers", "search", criteria=criteria)]
        return sorted(rows, key=lambda row: (row["namespace"], row["flowId"], row["triggerId"]))

    def get(self, name: Name) -> Json:
        fields = zip(("namespace", "flowId", "triggerId"), name, strict=True)
        criteria = Criteria(members=tuple(Condition(field, Operation.EQUALS, value) for field, value in fields))
        found = self.list_all(criteria)
        if not found:
            raise NotFoundError(f'Flow "{name[0]}/{name[1]}" has no trigger "{name[2]}" with a state.', code="trigger-not-found")
        return found[0]

    def change(self, name: Name, change: str) -> Json:
        if change in ("unlock", "restart"):
            return narrow(self._server.send("POST", "triggers", *name, change), TRIGGER)
        body = {**_body(name), "disabled": change == "disable"}
        return narrow(self._server.send("PUT", "triggers", "set-disabled", body=body), TRIGGER)

    def start_backfill(self, name: Name, wanted: Backfill, *, dry_run: bool) -> Json:
        backfill: Json = {"start": wanted.start.isoformat(), "inputs": dict(wanted.inputs)}
        if wanted.end is not None:
            backfill["end"] = wanted.end.isoformat()
        backfill["labels"] = [{"key": key, "value": value} for key, value in wanted.labels]
        if dry_run:
            found = self.get(name)
            if found.get("backfill"):
                raise ConflictError(f'Trigger "{name[2]}" has a backfill already.', code="backfill-exists")
            return {**found, "backfill": {**backfill, "paused": False}}
        body = {**_body(name), "backfill": backfill}
        return narrow(self._server.send("PUT", "triggers", "backfill", "create", body=body), TRIGGER)

    def steer_backfill(self, name: Name, word: str, *, dry_run: bool) -> Json:
        if dry_run:
            found = self.get(name)
            if not found.get("backfill"):
                raise ConflictError(f'Trigger "{name[2]}" has no backfill.', code="no-backfill")
            if word == "cancel":
                return {key: value for key, value in found.items() if key != "backfill"}
            return {**found, "backfill": {**found["backfill"], "paused": word == "pause"}}
        method, last = ("POST", "delete") if word == "cancel" else ("PUT", word)
        return narrow(self._server.send(method, "triggers", "backfill", last, body=_body(name)), TRIGGER)

    def list_dates(self, trigger: Json, *, count: int) -> list[datetime]:
        if trigger["kind"] != "SCHEDULE":
            return []
        try:
            flow = self._server.get("flows", trigger["namespace"], trigger["flowId"], query=[("source", True)])
        except FlowsError:
            return []
        definition = parse_flow(str(flow.get("source", "")), get_registry()).flow
        found = [one for one in definition.triggers if one.id == trigger["triggerId"]] if definition else []
        return list_schedule_dates(found[0], at=timezone.now(), count=count) if found else []


def _name(name: Name) -> dict[str, str]:
    return {"namespace": name[0], "flow_id": name[1], "trigger_id": name[2]}


def _body(name: Name) -> dict[str, str]:
    return {"namespace": name[0], "flowId": name[1], "triggerId": name[2]}
