"""The task whose whole definition is a template."""

from __future__ import annotations

from typing import Annotated, Any

import yaml

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Mark, Output, Prop, Properties, load_properties
from flows.plugin_api.registry import get_registry
from flows.plugin_api.tasks import RunnableTask, TaskFailure

_LONGEST_SPEC = 1024 * 1024


class _PlainLoader(yaml.CSafeLoader):
    """Reads plain data; dates stay text, as in flows."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class TemplatedTask(RunnableTask):
    """Render a text, read it as one YAML task, and run that task in place of this one."""

    type = "io.kestra.plugin.core.templating.TemplatedTask"
    aliases = ("io.kestra.core.tasks.templating.TemplatedTask",)
    title = "Run a task made by a template"
    examples = (
        """
        id: made
        namespace: company.team
        inputs:
          - {id: kind, type: STRING, defaults: Return}
        tasks:
          - id: templated
            type: io.kestra.plugin.core.templating.TemplatedTask
            spec: |
              type: io.kestra.plugin.core.debug.{{ inputs.kind }}
              format: made by a template
        """,
    )

    class Props(Properties):
        spec: Annotated[Prop[str], Mark(language="yaml")] = Field(
            description="YAML of one task that a worker runs. Its id, retry, timeout and conditions are not used."
        )

    def __init__(self) -> None:
        self._inner: RunnableTask | None = None
        self._is_killed = False

    def run(self, context: RunContext, props: Props) -> Output | None:
        """Run the inner task and return its output. Raises TaskFailure when the text is no such task."""
        definition = _read_spec(props.spec)
        task_type = definition.get("type")
        entry = get_registry().find(task_type) if isinstance(task_type, str) else None
        if entry is None or entry.kind != "task":
            raise TaskFailure(f'No installed plugin provides the type "{task_type}" of the templated task.', permanent=True)
        if entry.role != "runnable" or entry.type == self.type:
            raise TaskFailure(
                f'A templated task must be one that a worker runs; "{task_type}" is {entry.role or entry.kind}.', permanent=True
            )
        inner = get_registry().load(entry)()
        self._inner = inner
        if self._is_killed:
            inner.kill()
        return inner.run(context, load_properties(inner.Props, definition, context.render))

    def kill(self) -> None:
        """Pass the kill on to the inner task."""
        self._is_killed = True
        if self._inner is not None:
            self._inner.kill()


def _read_spec(text: str) -> dict[str, Any]:
    if len(text) > _LONGEST_SPEC:
        raise TaskFailure(f"The templated task has {len(text)} characters; {_LONGEST_SPEC} are allowed.", permanent=True)
    try:
        found = yaml.load(text, Loader=_PlainLoader)  # noqa: S506  a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TaskFailure(f"The templated task is no YAML: {error}", permanent=True) from None
    if not isinstance(found, dict):
        raise TaskFailure("The templated task must be one YAML mapping with a type.", permanent=True)
    return found
