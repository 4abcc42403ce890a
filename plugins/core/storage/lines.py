"""Tasks that join, cut and turn round text files. Files are streamed, never held whole."""

from __future__ import annotations

import codecs
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties, StorageUri
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.splitting import Cut, copy_to_temporary, read_lines, read_size, split_lines
from flows.plugin_api.tasks import RunnableTask, TaskFailure


def extension_of(uri: str, default: str = ".tmp") -> str:
    """Return the file name extension of an address with its dot, or the default."""
    return PurePosixPath(uri).suffix or default


class Concat(RunnableTask):
    """Join files, with a separator behind each, the last one too."""

    type = "io.kestra.plugin.core.storage.Concat"
    aliases = ("io.kestra.core.tasks.storages.Concat",)
    title = "Join files"
    examples = (
        """
        id: joined
        namespace: company.team
        inputs:
          - {id: first, type: FILE}
          - {id: second, type: FILE}
        tasks:
          - id: join
            type: io.kestra.plugin.core.storage.Concat
            files: ["{{ inputs.first }}", "{{ inputs.second }}"]
            separator: "\\n"
        """,
    )

    class Props(Properties):
        files: Prop[list[StorageUri]] = Field(description="A list of files, or JSON text of one.")
        separator: Prop[str] | None = None
        extension: Prop[str] = ".tmp"

    class Output(TaskOutput):
        uri: str

    def run(self, context: RunContext, props: Props) -> Output:
        """Join the files in order."""
        separator = (props.separator or "").encode()
        with tempfile.TemporaryFile() as target:
            for uri in props.files:
                with context.storage.open(uri) as source:
                    shutil.copyfileobj(source, target, 1 << 20)
                target.write(separator)
            target.seek(0)
            return self.Output(uri=context.storage.put(target, f"concat{props.extension}"))


class Split(RunnableTask):
    """Cut a text file into parts, by size, into a number of parts, by lines, or by a pattern."""

    type = "io.kestra.plugin.core.storage.Split"
    aliases = ("io.kestra.core.tasks.storages.Split",)
    title = "Cut a file"
    examples = (
        """
        id: parts
        namespace: company.team
        inputs:
          - {id: orders, type: FILE}
        tasks:
          - id: cut
            type: io.kestra.plugin.core.storage.Split
            from: "{{ inputs.orders }}"
            rows: 1000
        """,
    )

    class Props(Properties):
        from_: Prop[StorageUri]
        bytes: Prop[str] | None = Field(default=None, description="A part ends once it has reached this size, such as 10MB.")
        partitions: Prop[int] | None = Field(default=None, ge=1, description="Number of parts, filled in turn.")
        rows: Prop[int] | None = Field(default=None, ge=1, description="Lines of each part.")
        separator: Prop[str] = Field(default="\n", description="Written behind each line.")
        regex_pattern: Prop[str] | None = Field(default=None, description="Lines are put together by the first group.")

    class Output(TaskOutput):
        uris: list[str]

    def run(self, context: RunContext, props: Props) -> Output:
        """Cut the file. The first given of bytes, partitions, rows, regexPattern counts."""
        cut = Cut(
            bytes=read_size(props.bytes) if props.bytes else None,
            partitions=props.partitions,
            rows=props.rows,
            regex_pattern=props.regex_pattern,
            separator=props.separator,
        )
        with tempfile.TemporaryDirectory(prefix="split-") as folder, context.storage.open(props.from_) as source:
            parts = split_lines(source, cut, Path(folder), extension=extension_of(props.from_))
            return self.Output(uris=[context.storage.put(part, part.name) for part in parts])


class Reverse(RunnableTask):
    """Write the lines of a file in reverse order."""

    type = "io.kestra.plugin.core.storage.Reverse"
    aliases = ("io.kestra.core.tasks.storages.Reverse",)
    title = "Reverse the lines of a file"
    examples = (
        """
        id: newest_first
        namespace: company.team
        inputs:
          - {id: events, type: FILE}
        tasks:
          - id: turn
            type: io.kestra.plugin.core.storage.Reverse
            from: "{{ inputs.events }}"
        """,
    )

    class Props(Properties):
        from_: Prop[StorageUri]
        separator: Prop[str] = Field(default="\n", description="Written behind each line.")
        charset: Prop[str] = "UTF-8"

    class Output(TaskOutput):
        uri: str

    def run(self, context: RunContext, props: Props) -> Output:
        """Reverse the lines. Raises TaskFailure for an unknown charset or a file that is not in it."""
        try:
            charset = codecs.lookup(props.charset).name
        except LookupError:
            raise TaskFailure(f'"charset" must name a charset such as UTF-8; got "{props.charset}".', permanent=True) from None
        with context.storage.open(props.from_) as source, copy_to_temporary(source) as copy, tempfile.TemporaryFile() as target:
            for line in _read_backwards(copy, charset):
                target.write(f"{line}{props.separator}".encode(charset))
            target.seek(0)
            return self.Output(uri=context.storage.put(target, f"reverse{extension_of(props.from_)}"))


def _read_backwards(stream: IO[bytes], charset: str) -> Iterator[str]:
    """Yield the lines from the last to the first: only the place of each line is kept, written once as UTF-8."""
    with tempfile.TemporaryFile() as lines:
        places = array("Q")
        for line in read_lines(stream, charset=charset, name='The file in "from"'):
            places.append(lines.tell())
            lines.write(line.encode() + b"\n")
        for place in reversed(places):
            lines.seek(place)
            yield lines.readline()[:-1].decode()
