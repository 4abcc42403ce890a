"""Tasks that end or change the running execution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties, Text
from flows.plugin_api.tasks import RunnableTask, TaskFailure, UpdatingTask
from plugins.core.truth import is_true


class Fail(RunnableTask):
    """Fail the task, always or when a condition holds."""

    type = "io.kestra.plugin.core.execution.Fail"
    aliases = ("io.kestra.core.tasks.executions.Fail",)
    title = "Fail on purpose"
    light = True
    examples = (
        """
        id: guard
        namespace: company.team
        inputs:
          - {id: rows, type: INT, defaults: 1}
        tasks:
          - id: check
            type: io.kestra.plugin.core.execution.Fail
            condition: "{{ inputs.rows == 0 }}"
            errorMessage: There are no rows.
        """,
    )

    class Props(Properties):
        condition: Prop[str] | None = Field(default=None, description="Fails when this holds; always when absent.")
        error_message: Prop[str] = "Task failure"

    def run(self, context: RunContext, props: Props) -> None:
        """Raise TaskFailure with the message when the condition is absent or holds."""
        if props.condition is None or is_true(props.condition):
            raise TaskFailure(props.error_message)


class Exit(UpdatingTask):
    """End the execution now, in a given state."""

    type = "io.kestra.plugin.core.execution.Exit"
    title = "End the execution"
    examples = (
        """
        id: early
        namespace: company.team
        tasks:
          - {id: stop, type: io.kestra.plugin.core.execution.Exit, state: WARNING}
          - {id: never, type: io.kestra.plugin.core.log.Log, message: not reached}
        """,
    )

    class Props(Properties):
        state: Prop[Literal["SUCCESS", "WARNING", "KILLED", "FAILED", "CANCELED", "CANCELLED"]] = Field(
            default="SUCCESS", description="End state of this task, its parents and the execution."
        )

    def run(self, context: RunContext, props: Props) -> None:
        """Ask the engine to end the execution."""
        context.update_execution(exit_state="CANCELLED" if props.state == "CANCELED" else props.state)


class Labels(UpdatingTask):
    """Add labels to the running execution; a label of the same key is replaced."""

    type = "io.kestra.plugin.core.execution.Labels"
    aliases = ("io.kestra.core.tasks.executions.Labels",)
    title = "Set labels of the execution"
    examples = (
        """
        id: labelled
        namespace: company.team
        tasks:
          - id: mark
            type: io.kestra.plugin.core.execution.Labels
            labels:
              customer: "{{ flow.namespace }}"
        """,
    )

    class Props(Properties):
        labels: Prop[dict[str, Any] | list[dict[str, Any]]] = Field(
            description="A map, a list of `{key, value}`, or JSON text of one of them."
        )

    def run(self, context: RunContext, props: Props) -> None:
        """Set the labels; a map or list becomes JSON text. Raises TaskFailure for a system label or a value of null."""
        context.update_execution(labels=_read_labels(props.labels))


def _read_labels(written: dict[str, Any] | list[dict[str, Any]]) -> dict[str, str]:
    if isinstance(written, list):
        for entry in written:
            if "key" not in entry or "value" not in entry:
                raise TaskFailure(f'A label in a list needs "key" and "value"; got {sorted(entry)}.', permanent=True)
        pairs = [(str(entry["key"]), entry["value"]) for entry in written]
    else:
        pairs = list(written.items())
    labels: dict[str, str] = {}
    for key, value in pairs:
        if key.startswith("system."):
            raise TaskFailure(f'The label "{key}" belongs to the system and cannot be set by a task.', permanent=True)
        if isinstance(value, bool):
            labels[key] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            labels[key] = str(value)
        elif isinstance(value, dict | list):
            labels[key] = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        else:
            raise TaskFailure(f'The value of label "{key}" must be a text, number, boolean, map or list.', permanent=True)
    return labels


class SetVariables(UpdatingTask):
    """Set variables of the running execution; maps are merged level by level."""

    type = "io.kestra.plugin.core.execution.SetVariables"
    title = "Set variables"
    examples = (
        """
        id: counting
        namespace: company.team
        variables:
          step: 0
        tasks:
          - id: next
            type: io.kestra.plugin.core.execution.SetVariables
            variables:
              step: 1
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ vars.step }}"}
        """,
    )

    class Props(Properties):
        variables: Prop[dict[str, Any]]
        overwrite: Prop[bool] = Field(default=True, description="False: a variable that exists fails the task.")

    def run(self, context: RunContext, props: Props) -> None:
        """Set the variables. Raises TaskFailure for one that exists and must not be overwritten."""
        if not props.overwrite:
            known: Mapping[str, Any] = context.variables.get("vars") or {}
            present = sorted(key for key in props.variables if key in known)
            if present:
                raise TaskFailure(
                    f"The variables {', '.join(present)} exist already. Rename them, or set overwrite: true.",
                    permanent=True,
                )
        context.update_execution(variables=props.variables)


class UnsetVariables(UpdatingTask):
    """Remove variables of the running execution."""

    type = "io.kestra.plugin.core.execution.UnsetVariables"
    title = "Remove variables"
    examples = (
        """
        id: forgetful
        namespace: company.team
        variables:
          once: {upon: a time}
        tasks:
          - id: forget
            type: io.kestra.plugin.core.execution.UnsetVariables
            variables: [once.upon]
        """,
    )

    class Props(Properties):
        variables: Prop[list[Text]] = Field(description="Dotted paths.")
        ignore_missing: Prop[bool] = False

    def run(self, context: RunContext, props: Props) -> None:
        """Remove the variables. Raises TaskFailure for one that does not exist, unless told to ignore it."""
        known: Mapping[str, Any] = context.variables.get("vars") or {}
        missing = [path for path in props.variables if not _has_path(known, path.split("."))]
        if missing and not props.ignore_missing:
            raise TaskFailure(f"There are no variables {', '.join(missing)}. Set ignoreMissing: true to go on.", permanent=True)
        context.update_execution(unset_variables=[path for path in props.variables if path not in missing])


def _has_path(variables: Any, path: list[str]) -> bool:
    for step in path:
        if not isinstance(variables, Mapping) or step not in variables:
            return False
        variables = variables[step]
    return True
