"""Flowable tasks that order or choose their children. The engine carries out the arrangement; only properties live here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flows.plugin_api.fields import Field, FileMap, Mark, Moment, Prop, Properties, Static, StorageUri, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.files import NamespaceFilesOptions
from flows.plugin_api.tasks import FlowableTask

Expression = Annotated[Static[str], Mark(dynamic=True)]
"""A condition or value that the engine renders at its own moment."""

Reaction = Literal["CONTINUE", "CANCEL", "FAIL", "CANCELLED", "FAILED"]
"""What happens to the siblings of a child that failed; the last two are other names of the two before them."""

_ON_CHILD_FAILURE = "What happens to running siblings when a child fails: they finish, are cancelled, or are failed."


class Sequential(FlowableTask):
    """Run tasks one after the other."""

    type = "io.kestra.plugin.core.flow.Sequential"
    aliases = ("io.kestra.core.tasks.flows.Sequential",)
    title = "Run tasks in order"
    arrangement = "sequence"
    examples = (
        """
        id: tidy
        namespace: company.team
        tasks:
          - id: group
            type: io.kestra.plugin.core.flow.Sequential
            tasks:
              - {id: first, type: io.kestra.plugin.core.log.Log, message: one}
              - {id: second, type: io.kestra.plugin.core.log.Log, message: two}
        """,
    )

    class Props(Properties):
        pass


class Parallel(FlowableTask):
    """Run tasks at the same time."""

    type = "io.kestra.plugin.core.flow.Parallel"
    aliases = ("io.kestra.core.tasks.flows.Parallel",)
    title = "Run tasks at the same time"
    arrangement = "parallel"
    examples = (
        """
        id: fetch_all
        namespace: company.team
        tasks:
          - id: both
            type: io.kestra.plugin.core.flow.Parallel
            concurrent: 2
            tasks:
              - {id: left, type: io.kestra.plugin.core.log.Log, message: left}
              - {id: right, type: io.kestra.plugin.core.log.Log, message: right}
        """,
    )

    class Props(Properties):
        concurrent: Prop[int] = Field(default=0, ge=0, description="How many children may run at once; 0 means no limit.")
        on_child_failure: Prop[Reaction] | None = Field(default=None, description=_ON_CHILD_FAILURE)
        fail_fast: Annotated[Prop[bool] | None, Mark(deprecated='Use "onChildFailure".')] = None
        child_failure_policy: Annotated[Prop[Reaction] | None, Mark(deprecated='Use "onChildFailure".')] = None


class Dag(FlowableTask):
    """Run tasks in the order of their dependencies; `tasks` is a list of `{task, dependsOn}`."""

    type = "io.kestra.plugin.core.flow.Dag"
    aliases = ("io.kestra.core.tasks.flows.Dag",)
    title = "Run tasks by their dependencies"
    arrangement = "dag"
    examples = (
        """
        id: build
        namespace: company.team
        tasks:
          - id: graph
            type: io.kestra.plugin.core.flow.Dag
            tasks:
              - task: {id: extract, type: io.kestra.plugin.core.log.Log, message: extract}
              - task: {id: load, type: io.kestra.plugin.core.log.Log, message: load}
                dependsOn: [extract]
        """,
    )

    class Props(Properties):
        concurrent: Prop[int] = Field(default=0, ge=0, description="How many children may run at once; 0 means no limit.")
        on_child_failure: Prop[Reaction] | None = Field(default=None, description=_ON_CHILD_FAILURE)


class If(FlowableTask):
    """Run one list of tasks or another, depending on a condition that is evaluated once."""

    type = "io.kestra.plugin.core.flow.If"
    aliases = ("io.kestra.core.tasks.flows.If",)
    title = "Choose tasks by a condition"
    arrangement = "if"
    branches = ("then", "else", "errors", "finally")
    examples = (
        """
        id: maybe
        namespace: company.team
        inputs:
          - {id: full, type: BOOL, defaults: false}
        tasks:
          - id: choose
            type: io.kestra.plugin.core.flow.If
            condition: "{{ inputs.full }}"
            then:
              - {id: all, type: io.kestra.plugin.core.log.Log, message: everything}
            else:
              - {id: some, type: io.kestra.plugin.core.log.Log, message: only the news}
        """,
    )

    class Props(Properties):
        condition: Expression = Field(description='False when it renders to nothing, "false", "0" or "-0"; true otherwise.')

    class Output(TaskOutput):
        evaluation_result: bool


class Switch(FlowableTask):
    """Run the list of tasks whose key equals a value, or the default list."""

    type = "io.kestra.plugin.core.flow.Switch"
    aliases = ("io.kestra.core.tasks.flows.Switch",)
    title = "Choose tasks by a value"
    arrangement = "switch"
    branches = ("cases", "defaults", "errors", "finally")
    examples = (
        """
        id: by_country
        namespace: company.team
        inputs:
          - {id: country, type: STRING, defaults: FR}
        tasks:
          - id: choose
            type: io.kestra.plugin.core.flow.Switch
            value: "{{ inputs.country }}"
            cases:
              FR:
                - {id: france, type: io.kestra.plugin.core.log.Log, message: bonjour}
            defaults:
              - {id: others, type: io.kestra.plugin.core.log.Log, message: hello}
        """,
    )

    class Props(Properties):
        value: Expression = Field(description="Compared as text with the keys of the cases.")

    class Output(TaskOutput):
        value: str
        defaults: bool


class AllowFailure(FlowableTask):
    """Run tasks in order; when one fails, this task ends with a warning and the flow goes on."""

    type = "io.kestra.plugin.core.flow.AllowFailure"
    aliases = ("io.kestra.core.tasks.flows.AllowFailure",)
    title = "Go on after a failure"
    arrangement = "allow-failure"
    examples = (
        """
        id: tolerant
        namespace: company.team
        tasks:
          - id: try
            type: io.kestra.plugin.core.flow.AllowFailure
            tasks:
              - {id: risky, type: io.kestra.plugin.core.execution.Fail}
        """,
    )

    class Props(Properties):
        pass


class CacheOptions(Properties):
    """Files of the working directory that are kept from one run to the next."""

    patterns: Static[list[Text]] = Field(min_length=1, description="Which files are kept, as globs.")
    ttl: Prop[str] | None = Field(
        default=None, description="How long the kept files are used, as a duration; empty means always."
    )


class WorkingDirectory(FlowableTask):
    """Run tasks in order on one worker, in one shared directory."""

    type = "io.kestra.plugin.core.flow.WorkingDirectory"
    aliases = ("io.kestra.core.tasks.flows.WorkingDirectory", "io.kestra.core.tasks.flows.Worker")
    title = "Share a directory between tasks"
    arrangement = "working-directory"
    examples = (
        """
        id: shared
        namespace: company.team
        tasks:
          - id: folder
            type: io.kestra.plugin.core.flow.WorkingDirectory
            inputFiles:
              greeting.txt: hello
            outputFiles: ["*.txt"]
            tasks:
              - {id: note, type: io.kestra.plugin.core.log.Log, message: "{{ workingDir }}"}
        """,
    )

    class Props(Properties):
        input_files: Prop[FileMap] | None = Field(default=None, description="Files written before the first task.")
        output_files: Prop[list[Text]] = Field(default=[], description="Globs of files kept after the last task.")
        namespace_files: Prop[bool | NamespaceFilesOptions] | None = Field(
            default=None, description="Namespace files copied before the input files; true copies all."
        )
        cache: CacheOptions | None = Field(default=None, description="Files kept for the next run of this task.")

    class Output(TaskOutput):
        output_files: dict[str, str] = {}


class Subflow(FlowableTask):
    """Start another flow and, unless told otherwise, wait for it and take over its state."""

    type = "io.kestra.plugin.core.flow.Subflow"
    aliases = ("io.kestra.core.tasks.flows.Subflow", "io.kestra.core.tasks.flows.Flow")
    title = "Run another flow"
    role = "executable"
    arrangement = "subflow"
    branches = ()
    examples = (
        """
        id: caller
        namespace: company.team
        tasks:
          - id: call
            type: io.kestra.plugin.core.flow.Subflow
            namespace: company.team
            flowId: callee
            inputs:
              day: "{{ execution.startDate }}"
        """,
    )

    class Props(Properties):
        namespace: Prop[str]
        flow_id: Prop[str]
        revision: Prop[int] | None = Field(default=None, ge=1, description="The latest when absent.")
        inputs: Prop[dict[str, Any]] | None = Field(default=None, description="Inputs of the other flow.")
        labels: Prop[list[dict[str, Any]] | dict[str, Any]] | None = None
        inherit_labels: Prop[bool] = Field(default=False, description="Give the other execution all labels of this one.")
        wait: Prop[bool] = Field(default=True, description="Wait for the end of the other execution.")
        transmit_failed: Prop[bool] = Field(default=True, description="End in the state of the other execution.")
        schedule_date: Prop[Moment] | None = Field(default=None, description="When the other execution starts.")
        restart_behavior: Prop[Literal["RETRY_FAILED", "NEW_EXECUTION"]] = "RETRY_FAILED"
        outputs: Annotated[
            Static[dict[str, Any]] | None, Mark(dynamic=True, deprecated="Declare outputs in the called flow.")
        ] = None

    class Output(TaskOutput):
        execution_id: str
        state: str | None = None
        outputs: dict[str, Any] = {}


class BatchOptions(Properties):
    """How a file is cut: by size first, else into a number of parts, else by lines."""

    rows: Prop[int] = Field(default=1, ge=1)
    bytes: Prop[str] | None = Field(default=None, description="A size such as 10MB.")
    partitions: Prop[int] | None = Field(default=None, ge=1)
    separator: Prop[str] = "\n"
    regex_pattern: Prop[str] | None = None


class ForEachItem(FlowableTask):
    """Cut a file into batches and start one execution of another flow for each."""

    type = "io.kestra.plugin.core.flow.ForEachItem"
    aliases = ("io.kestra.core.tasks.flows.ForEachItem",)
    title = "Run a flow for each part of a file"
    arrangement = "for-each-item"
    branches = ("errors",)
    examples = (
        """
        id: batches
        namespace: company.team
        inputs:
          - {id: orders, type: FILE}
        tasks:
          - id: each
            type: io.kestra.plugin.core.flow.ForEachItem
            items: "{{ inputs.orders }}"
            batch:
              rows: 100
            namespace: company.team
            flowId: load_orders
            inputs:
              file: "{{ taskrun.items }}"
        """,
    )

    class Props(Properties):
        items: Prop[StorageUri]
        batch: BatchOptions = BatchOptions()
        namespace: Prop[str]
        flow_id: Prop[str]
        revision: Prop[int] | None = Field(default=None, ge=1)
        inputs: Annotated[Static[dict[str, Any]] | None, Mark(dynamic=True)] = Field(
            default=None, description="Rendered for each batch with `taskrun.items` and `taskrun.iteration`."
        )
        labels: Annotated[Static[list[dict[str, Any]] | dict[str, Any]] | None, Mark(dynamic=True)] = None
        inherit_labels: Prop[bool] = False
        wait: Prop[bool] = True
        transmit_failed: Prop[bool] = True
        schedule_date: Prop[Moment] | None = None
        restart_behavior: Prop[Literal["RETRY_FAILED", "NEW_EXECUTION"]] = "RETRY_FAILED"


class Template(FlowableTask):
    """Put a stored list of tasks in place of this one."""

    type = "io.kestra.plugin.core.flow.Template"
    aliases = ("io.kestra.core.tasks.flows.Template",)
    title = "Include a template"
    deprecated = "Templates are only read while the template store is enabled. Use io.kestra.plugin.core.flow.Subflow."
    arrangement = "template"
    branches = ()

    class Props(Properties):
        namespace: Prop[str]
        template_id: Prop[str]
        args: Prop[dict[str, Any]] | None = None

    class Output(TaskOutput):
        args: dict[str, Any] = {}
