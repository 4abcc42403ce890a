"""Tasks that write, measure and delete stored files, and the legacy task for local files."""

from __future__ import annotations

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, FileMap, Moment, Prop, Properties, StorageUri, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RecordedMetric, RunnableTask, TaskFailure
from flows.plugin_api.working_files import collect_files, write_input_files


class Size(RunnableTask):
    """Measure a stored file."""

    type = "io.kestra.plugin.core.storage.Size"
    aliases = ("io.kestra.core.tasks.storages.Size",)
    title = "Measure a file"
    examples = (
        """
        id: measure
        namespace: company.team
        inputs:
          - {id: data, type: FILE}
        tasks:
          - {id: size, type: io.kestra.plugin.core.storage.Size, uri: "{{ inputs.data }}"}
        """,
    )

    class Props(Properties):
        uri: Prop[StorageUri]

    class Output(TaskOutput):
        size: int = Field(description="In bytes.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Return the size. Raises NotFoundError when there is no such file."""
        return self.Output(size=context.storage.size(props.uri))


class Delete(RunnableTask):
    """Delete a stored file."""

    type = "io.kestra.plugin.core.storage.Delete"
    aliases = ("io.kestra.core.tasks.storages.Delete",)
    title = "Delete a file"
    examples = (
        """
        id: drop
        namespace: company.team
        inputs:
          - {id: data, type: FILE}
        tasks:
          - {id: delete, type: io.kestra.plugin.core.storage.Delete, uri: "{{ inputs.data }}"}
        """,
    )

    class Props(Properties):
        uri: Prop[StorageUri]
        error_on_missing: Prop[bool] = False

    class Output(TaskOutput):
        uri: str
        deleted: bool

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the file and tell whether it was there. Raises TaskFailure when it was not, if told so."""
        deleted = context.storage.delete(props.uri)
        if not deleted and props.error_on_missing:
            raise TaskFailure(f'The file "{props.uri}" to delete does not exist.')
        return self.Output(uri=props.uri, deleted=deleted)


class Write(RunnableTask):
    """Store a text as a file."""

    type = "io.kestra.plugin.core.storage.Write"
    title = "Write a file"
    examples = (
        """
        id: note
        namespace: company.team
        tasks:
          - id: write
            type: io.kestra.plugin.core.storage.Write
            content: "Run {{ execution.id }}"
            extension: .txt
        """,
    )

    class Props(Properties):
        content: Prop[str]
        extension: Prop[str] | None = None

    class Output(TaskOutput):
        uri: str

    def run(self, context: RunContext, props: Props) -> Output:
        """Store the text as UTF-8."""
        extension = props.extension or ".tmp"
        dot = "" if extension.startswith(".") else "."
        return self.Output(uri=context.storage.put(props.content.encode(), f"file{dot}{extension}"))


class LocalFiles(RunnableTask):
    """Write files into the working directory, or keep files from it."""

    type = "io.kestra.plugin.core.storage.LocalFiles"
    aliases = ("io.kestra.core.tasks.storages.LocalFiles",)
    title = "Write and keep local files"
    deprecated = "Use inputFiles and outputFiles of io.kestra.plugin.core.flow.WorkingDirectory."

    class Props(Properties):
        inputs: Prop[FileMap] | None = Field(default=None, description="File name to content or stored file.")
        outputs: Prop[list[Text]] | None = Field(default=None, description="Globs of files to keep.")

    class Output(TaskOutput):
        uris: dict[str, str]

    def run(self, context: RunContext, props: Props) -> Output:
        """Write the inputs first, then keep the outputs."""
        if props.inputs:
            write_input_files(context, context.workdir, props.inputs)
        return self.Output(uris=collect_files(context, context.workdir, props.outputs) if props.outputs else {})


class PurgeCurrentExecutionFiles(RunnableTask):
    """Delete all files of the running execution: inputs and what earlier tasks stored."""

    type = "io.kestra.plugin.core.storage.PurgeCurrentExecutionFiles"
    aliases = ("io.kestra.core.tasks.storages.PurgeExecution", "io.kestra.plugin.core.storage.PurgeExecution")
    title = "Delete the files of this execution"
    examples = (
        """
        id: leave_nothing
        namespace: company.team
        tasks:
          - {id: write, type: io.kestra.plugin.core.storage.Write, content: secret}
          - {id: purge, type: io.kestra.plugin.core.storage.PurgeCurrentExecutionFiles}
        """,
    )

    class Props(Properties):
        pass

    class Output(TaskOutput):
        uris: list[str]

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the files and return their addresses."""
        return self.Output(uris=context.storage.delete_execution_files())


class PurgeStorage(RunnableTask):
    """Delete the folders of executions that no longer exist or are old. Deletes nothing unless told so."""

    type = "io.kestra.plugin.core.storage.PurgeStorage"
    title = "Delete old execution files"
    metrics = (
        RecordedMetric("scanned", "counter", "How many folders of executions were looked at.", "folders"),
        RecordedMetric("purged", "counter", "How many of them were deleted, or would be in a dry run.", "folders"),
        RecordedMetric("deleted.files", "counter", "How many files were in those.", "files"),
    )
    examples = (
        """
        id: tidy_storage
        namespace: system
        tasks:
          - id: purge
            type: io.kestra.plugin.core.storage.PurgeStorage
            endDate: "{{ now() | dateAdd(-180, 'DAYS') }}"
            dryRun: false
        """,
    )

    class Props(Properties):
        namespace: Prop[str] | None = Field(default=None, description="With its children.")
        flow_id: Prop[str] | None = Field(default=None, description="Needs `namespace`.")
        start_date: Prop[Moment] | None = None
        end_date: Prop[Moment]
        dry_run: Prop[bool] = Field(default=True, description="True only counts.")

    class Output(TaskOutput):
        scanned_count: int
        purged_count: int
        deleted_files_count: int

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete, or only count. Raises TaskFailure for a flow without namespace."""
        if props.flow_id is not None and props.namespace is None:
            raise TaskFailure('"flowId" needs "namespace".', permanent=True)
        counts = context.platform.purge_storage(
            namespace=props.namespace, flow_id=props.flow_id, start=props.start_date, end=props.end_date, dry_run=props.dry_run
        )
        context.metrics.counter("scanned", counts["scanned"])
        context.metrics.counter("purged", counts["purged"])
        context.metrics.counter("deleted.files", counts["deleted_files"])
        return self.Output(
            scanned_count=counts["scanned"], purged_count=counts["purged"], deleted_files_count=counts["deleted_files"]
        )
