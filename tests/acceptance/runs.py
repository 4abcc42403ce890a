"""An execution as a test looks at it: states, attempts, outputs and moments of its task runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

ENDED = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED"})


class TaskRun:
    """One task run of an execution that was read."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.id: str = data["id"]
        self.task_id: str = data["taskId"]
        self.state: str = data["state"]["current"]
        self.outputs: dict[str, Any] = data.get("outputs") or {}
        self.value: str | None = data.get("value")
        self.parent_id: str | None = data.get("parentTaskRunId")
        self.attempts: list[str] = [attempt["state"]["current"] for attempt in data["attempts"]]
        self.history: list[str] = [step["state"] for step in data["state"]["histories"]]

    @property
    def began_at(self) -> datetime:
        """When it was created."""
        return datetime.fromisoformat(self.data["state"]["histories"][0]["date"])

    @property
    def ended_at(self) -> datetime:
        """When it came to the state that it has."""
        return datetime.fromisoformat(self.data["state"]["histories"][-1]["date"])

    def overlaps(self, other: TaskRun) -> bool:
        """Tell whether both were under way at some moment."""
        return self.began_at < other.ended_at and other.began_at < self.ended_at


class Run:
    """An execution that was read, with its task runs."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.id: str = data["id"]
        self.state: str = data["state"]["current"]
        self.history: list[str] = [step["state"] for step in data["state"]["histories"]]
        self.task_runs = [TaskRun(row) for row in data.get("taskRunList", ())]
        self.outputs: dict[str, Any] | None = data.get("outputs")
        self.inputs: dict[str, Any] = data.get("inputs") or {}

    def __repr__(self) -> str:
        tasks = ", ".join(
            f"{run.task_id}{f'[{run.value}]' if run.value is not None else ''} {run.state}" for run in self.task_runs
        )
        return f"{self.id} {self.state} ({tasks})"

    @property
    def created_at(self) -> datetime:
        """When it was created."""
        return datetime.fromisoformat(self.data["state"]["startDate"])

    @property
    def ended_at(self) -> datetime:
        """When it came to the state that it has."""
        return datetime.fromisoformat(self.data["state"]["histories"][-1]["date"])

    def began_running_at(self) -> datetime:
        """Return when it first ran."""
        return next(
            datetime.fromisoformat(step["date"]) for step in self.data["state"]["histories"] if step["state"] == "RUNNING"
        )

    @property
    def labels(self) -> dict[str, str]:
        """The labels without those of the system."""
        pairs = {label["key"]: label["value"] for label in self.data.get("labels", ())}
        return {key: value for key, value in pairs.items() if not key.startswith("system.")}

    def summary(self) -> dict[str, str]:
        """Return the state of the last task run of each task, by task id."""
        return {run.task_id: run.state for run in self.task_runs}

    def states(self, task_id: str) -> list[str]:
        """Return the states of all runs of a task, in order of creation; an empty list when it never ran."""
        return [run.state for run in self.task_runs if run.task_id == task_id]

    def tasks(self, task_id: str) -> list[TaskRun]:
        """Return all runs of a task, in order of creation."""
        return [run for run in self.task_runs if run.task_id == task_id]

    def task(self, task_id: str, value: str | None = None) -> TaskRun:
        """Return the one run of a task, or the one with that value."""
        found = [run for run in self.tasks(task_id) if value in (None, run.value)]
        assert len(found) == 1, f"{self} has {len(found)} runs of {task_id}"
        return found[0]

    def overlaps(self, other: Run) -> bool:
        """Tell whether both were under way at some moment."""
        return self.created_at < other.ended_at and other.created_at < self.ended_at
