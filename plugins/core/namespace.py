"""Tasks for namespace files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.globs import PatternError, compile_namespace_pattern
from flows.plugin_api.tasks import RecordedMetric, RunnableTask, TaskFailure
from flows.plugin_api.working_files import list_matching_files, open_beneath
from plugins.core.purging import NamespaceChoice, VersionBehavior, namespace_options


class UploadFiles(RunnableTask):
    """Copy files of the working directory, or stored files, to a namespace."""

    type = "io.kestra.plugin.core.namespace.UploadFiles"
    title = "Upload namespace files"
    examples = (
        """
        id: publish
        namespace: company.team
        inputs:
          - {id: report, type: FILE}
        tasks:
          - id: upload
            type: io.kestra.plugin.core.namespace.UploadFiles
            filesMap:
              report.csv: "{{ inputs.report }}"
            destination: reports/
        """,
    )

    class Props(Properties):
        namespace: Prop[str] | None = Field(default=None, description="The flow's own when absent.")
        files: Prop[list[Text]] | None = Field(default=None, description="Globs of files in the working directory.")
        files_map: Prop[dict[str, Text | None]] | None = Field(default=None, description="Target path to stored file.")
        destination: Prop[str] = Field(default="/", description="Put before each path as it is.")
        conflict: Prop[Literal["OVERWRITE", "ERROR", "SKIP"]] = Field(
            default="OVERWRITE", description="What happens to a file that exists."
        )

    class Output(TaskOutput):
        files: dict[str, str] = Field(description="Path to address.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Upload one by one. Raises TaskFailure without files, ConflictError for a present file with ERROR."""
        if not props.files and not props.files_map:
            raise TaskFailure('Give "files" or "filesMap" to say what to upload.', permanent=True)
        uploaded: dict[str, str] = {}
        for path, content in self._contents(context, props):
            target = props.destination + path
            uploaded[target] = context.namespace_files.write(target, content, namespace=props.namespace, conflict=props.conflict)
        return self.Output(files=uploaded)

    def _contents(self, context: RunContext, props: Props) -> Iterator[tuple[str, bytes]]:
        for relative, real in list_matching_files(context, context.workdir, props.files or ()):
            with open_beneath(context.workdir, real, write=False) as source:
                yield relative, source.read()
        for path, uri in (props.files_map or {}).items():
            if uri and context.storage.exists(uri):
                with context.storage.open(uri) as stored:
                    yield path, stored.read()


class ChosenFiles(Properties):
    """Which files of which namespace."""

    namespace: Prop[str]
    files: Prop[str | list[Text]] = Field(description="One glob or several.")


def list_chosen_paths(context: RunContext, props: ChosenFiles) -> list[str]:
    """Return the paths (with a leading slash) that match a glob. Raises TaskFailure for a glob that cannot be read."""
    try:
        patterns = [compile_namespace_pattern(p) for p in ([props.files] if isinstance(props.files, str) else props.files)]
    except PatternError as error:
        raise TaskFailure(str(error), permanent=True) from None
    return [
        p for p in context.namespace_files.list(namespace=props.namespace) if any(pattern.fullmatch(p) for pattern in patterns)
    ]


class DownloadFiles(RunnableTask):
    """Copy namespace files into the storage of this execution."""

    type = "io.kestra.plugin.core.namespace.DownloadFiles"
    title = "Download namespace files"
    metrics = (RecordedMetric("downloaded", "counter", "How many files matched and were copied.", "files"),)
    examples = (
        """
        id: fetch
        namespace: company.team
        tasks:
          - id: download
            type: io.kestra.plugin.core.namespace.DownloadFiles
            namespace: company.team
            files: ["**.sql"]
        """,
    )

    class Props(ChosenFiles):
        destination: Prop[str] = Field(default="", description="Put before each path of the output.")

    class Output(TaskOutput):
        files: dict[str, str] = Field(description="Path without leading slash to stored file.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Copy the matching files; none is no failure."""
        found: dict[str, str] = {}
        for path in list_chosen_paths(context, props):
            content = context.namespace_files.read(path, namespace=props.namespace)
            found[(props.destination + path.lstrip("/")).lstrip("/")] = context.storage.put(content, PurePosixPath(path).name)
        context.metrics.counter("downloaded", len(found))
        return self.Output(files=found)


class DeleteFiles(RunnableTask):
    """Delete namespace files."""

    type = "io.kestra.plugin.core.namespace.DeleteFiles"
    title = "Delete namespace files"
    metrics = (RecordedMetric("deleted", "counter", "How many files were deleted.", "files"),)
    examples = (
        """
        id: tidy
        namespace: company.team
        tasks:
          - id: delete
            type: io.kestra.plugin.core.namespace.DeleteFiles
            namespace: company.team
            files: "**.tmp"
        """,
    )

    class Props(ChosenFiles):
        delete_parent_folder: Prop[bool] = Field(default=False, description="Delete the folders that are empty afterwards, too.")

    class Output(TaskOutput):
        files: dict[str, str] = {}

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the matching files; none is no failure."""
        paths = list_chosen_paths(context, props)
        deleted = sum(context.namespace_files.delete(path, namespace=props.namespace) for path in paths)
        if props.delete_parent_folder:
            _delete_empty_folders(context, props.namespace, paths)
        context.metrics.counter("deleted", deleted)
        return self.Output()


def _delete_empty_folders(context: RunContext, namespace: str, deleted: list[str]) -> None:
    folders = {str(folder) for path in deleted for folder in PurePosixPath(path).parents if str(folder) != "/"}
    left = context.namespace_files.list(namespace=namespace)
    for folder in sorted(folders, key=len, reverse=True):
        if not any(path.startswith(f"{folder}/") for path in left):
            context.namespace_files.delete(folder, namespace=namespace)


class PurgeFiles(RunnableTask):
    """Delete old versions of namespace files; the newest always stays."""

    type = "io.kestra.plugin.core.namespace.PurgeFiles"
    title = "Delete old versions of namespace files"
    examples = (
        """
        id: tidy_versions
        namespace: system
        tasks:
          - id: purge
            type: io.kestra.plugin.core.namespace.PurgeFiles
            namespaces: [company]
            behavior: {type: version, keepAmount: 3}
        """,
    )

    class Props(NamespaceChoice):
        file_pattern: Prop[str] | None = Field(default=None, description="Glob of paths; all when absent.")
        behavior: VersionBehavior = VersionBehavior()

    class Output(TaskOutput):
        size: int = Field(description="Number of deleted versions.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the versions and count them."""
        options = {**namespace_options(props), "file_pattern": props.file_pattern, "behavior": props.behavior.to_options()}
        return self.Output(size=context.namespace_files.purge(**options))
