"""The typed flow: frozen values that the parser makes and the engine reads. Nothing here reads text or decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Retry:
    """
    A retry block. Intervals are timedeltas; `max_attempts` counts the first try, None means no limit.

    `type` is `constant`, `exponential` or `random`; `behavior` is `RETRY_FAILED_TASK` or `CREATE_NEW_EXECUTION`.
    """

    type: str
    interval: timedelta | None = None
    min_interval: timedelta | None = None
    max_interval: timedelta | None = None
    delay_factor: float = 2.0
    max_attempts: int | None = None
    max_duration: timedelta | None = None
    warning_on_retry: bool = False
    behavior: str = "RETRY_FAILED_TASK"


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """
    Where a task may run: the queue key, and what to do when no worker serves it (`WAIT`, `FAIL`, `CANCEL`, `IGNORE`).

    A worker selector has `tags`, of which `ALL` or `ANY` must match; its key is the sorted tags joined by commas.
    """

    key: str
    fallback: str = "WAIT"
    tags: tuple[str, ...] = ()
    match: str = "ALL"


@dataclass(frozen=True, slots=True)
class Task:
    """
    One task as written, with aliases resolved and plugin defaults applied.

    Attributes:
        id: unique in the flow.
        type: canonical type name.
        role: `runnable`, `flowable`, `executable` (starts executions), `updating` (changes its own execution), or `unknown`: no
            installed plugin provides the type, so that the task can be drawn, but not run.
        arrangement: how a flowable arranges its children (`sequence`, `parallel`, `dag`, `if`, `switch`, `each`, `loop`,
            `loop-until`, `pause`, `approval`, `working-directory`, `allow-failure`, `subflow`, `for-each-item`,
            `template`), None for runnable and updating tasks.
        light: True when it runs inside the engine's own visit, without a message of its own.
        properties: the plugin's own properties by camelCase name, as written (not rendered), children left out.
        branches: child lists by property name: `tasks`, `then`, `else`, `defaults`, `errors`, `finally`, `onPause`,
            `onWait`, `onApprove`, `onDeny`; the cases of a Switch are `case:<key>`. Absent lists are absent keys.
        depends_on: for the children of a Dag, child id to the ids it waits for.
        when: expression text; None when not written.
        inputs: what a Pause asks for on resume and an Approval in its form.
        outputs: what every iteration of a Loop gives.
        position: line and column (from 1) of the task in the source.
    """

    id: str
    type: str
    role: str = "runnable"
    arrangement: str | None = None
    light: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)
    branches: Mapping[str, tuple[Task, ...]] = field(default_factory=dict)
    depends_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    description: str | None = None
    retry: Retry | None = None
    timeout: str | timedelta | None = None
    when: str | None = None
    disabled: bool = False
    allow_failure: bool = False
    allow_warning: bool = False
    log_level: str | None = None
    log_to_file: bool = False
    worker_group: WorkerGroup | None = None
    cache_enabled: bool = False
    cache_ttl: timedelta | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    position: tuple[int, int] = (1, 1)

    def children(self) -> Iterator[Task]:
        """Yield the direct children of every branch, in the order of the branches."""
        for tasks in self.branches.values():
            yield from tasks


@dataclass(frozen=True, slots=True)
class Input:
    """
    One declared input.

    `options` holds the properties of the type as written (`min`, `max`, `after`, `before`, `validator`, `values`,
    `expression`, `itemType`, `allowCustomValue`, `allowedFileExtensions`, `rows` ...); `children` the inputs of a FORM, the
    properties of an OBJECT and the columns of a TABLE. `has_default` tells `defaults: null` from no default.
    """

    id: str
    type: str | None
    required: bool = True
    has_default: bool = False
    default: Any = None
    prefill: Any = None
    description: str | None = None
    display_name: str | None = None
    depends_on: tuple[str, ...] = ()
    depends_condition: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One declared output of a flow or a Loop; `value` is any YAML value, rendered at the end."""

    id: str
    value: Any
    type: str | None = None
    item_type: str | None = None
    required: bool = True
    description: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """
    One trigger. `family` is `schedule`, `polling`, `realtime`, `flow` or `webhook`; `properties` are its own, as written;
    `conditions` are the legacy conditions as raw mappings with canonical types.
    """

    id: str
    type: str
    family: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
    disabled: bool = False
    when: str | None = None
    conditions: tuple[Mapping[str, Any], ...] = ()
    inputs: Mapping[str, Any] | None = None
    labels: tuple[tuple[str, Any], ...] = ()
    stop_after: tuple[str, ...] = ()
    allow_concurrent: bool = False
    fail_on_trigger_error: bool = False
    log_level: str | None = None
    worker_group: WorkerGroup | None = None
    position: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many executions of the flow may run at once, and what happens to the next one: `QUEUE`, `CANCEL`, `FAIL`."""

    limit: int
    behavior: str = "QUEUE"


@dataclass(frozen=True, slots=True)
class Quota:
    """How many executions of the flow may begin within any period of this length, and what happens to more: `FAIL`, `CANCEL`."""

    duration: timedelta
    limit: int
    behavior: str = "FAIL"


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """One SLA: `MAX_DURATION` with `duration`, or `EXECUTION_ASSERTION` with `assertion`."""

    id: str
    type: str
    behavior: str
    duration: timedelta | None = None
    assertion: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check made before an execution is created."""

    when: str
    message: str
    style: str = "INFO"
    behavior: str = "BLOCK_EXECUTION"


@dataclass(frozen=True, slots=True)
class PluginDefault:
    """
    Property values for every plugin whose type equals or starts with `type`; with `ref` only for those that name it.
    """

    type: str
    values: Mapping[str, Any]
    forced: bool = False
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """
    One revision of a flow. `labels` keep their order and hold text values; `raw` is the document as plain data, defaults
    not applied, for the API.
    """

    id: str
    namespace: str
    tasks: tuple[Task, ...]
    description: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[Task, ...] = ()
    finally_: tuple[Task, ...] = ()
    after_execution: tuple[Task, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    concurrency: Concurrency | None = None
    retry: Retry | None = None
    slas: tuple[ServiceLevel, ...] = ()
    checks: tuple[Check, ...] = ()
    quotas: tuple[Quota, ...] = ()
    plugin_defaults: tuple[PluginDefault, ...] = ()
    disabled: bool = False
    worker_group: WorkerGroup | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def all_tasks(self) -> Iterator[Task]:
        """Yield every task at every depth: main list, errors, finally, afterExecution; a parent before its children."""
        stack: list[Task] = [*reversed((*self.tasks, *self.errors, *self.finally_, *self.after_execution))]
        while stack:
            task = stack.pop()
            yield task
            stack.extend(reversed(list(task.children())))


def label_pairs(labels: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return labels in the form the API speaks: a list of `{key, value}`, in order, may be empty."""
    return [{"key": key, "value": value} for key, value in labels]
