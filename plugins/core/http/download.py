"""The task that stores what an HTTP address gives."""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

import httpx

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from plugins.core.http.client import LENGTH_METRIC, Sender, check_status, collect_headers, count_length, log_response_headers
from plugins.core.http.options import RequestProperties

_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', re.IGNORECASE)
_LONGEST_NAME = 200
_EXCERPT_BYTES = 500


class Download(RunnableTask):
    """Store what an HTTP address gives as a file. The answer is streamed, so its size does not matter."""

    type = "io.kestra.plugin.core.http.Download"
    aliases = ("io.kestra.plugin.fs.http.Download",)
    title = "Download a file"
    metrics = (LENGTH_METRIC,)
    examples = (
        """
        id: fetch
        namespace: company.team
        tasks:
          - id: csv
            type: io.kestra.plugin.core.http.Download
            uri: https://example.com/data/orders.csv
          - {id: size, type: io.kestra.plugin.core.storage.Size, uri: "{{ outputs.csv.uri }}"}
        """,
    )

    class Props(RequestProperties):
        allow_failed: Prop[bool] = Field(default=False, description="No status and no lack of content fails the task.")
        fail_on_empty_response: Prop[bool] = Field(default=True, description="An answer without content fails the task.")
        save_as: Prop[str] | None = Field(default=None, description="Name of the stored file; taken from the answer when absent.")

    class Output(TaskOutput):
        uri: str
        code: int
        length: int = Field(description="Stored bytes.")
        headers: dict[str, list[str]]

    def __init__(self) -> None:
        self._sender = Sender()

    def run(self, context: RunContext, props: Props) -> Output:
        """
        Download to a temporary file, then store it.

        Raises:
            TaskFailure: connection or status, fewer bytes than announced, or no content.
        """
        allow_failed = props.allow_failed or props.options.allow_failed
        with tempfile.TemporaryDirectory(prefix="download-") as folder, self._sender.send(context, props) as response:
            path = Path(folder) / "content"
            if response.status_code >= 400 or props.options.allowed_response_codes:
                check_status(props, response, allow_failed=allow_failed, excerpt=_read_excerpt(response))
            length = _receive(context, response, path)
            log_response_headers(context, props, response)
            count_length(context, props, response)
            if length == 0:
                if props.fail_on_empty_response and not allow_failed:
                    raise TaskFailure("The answer has no content. Set failOnEmptyResponse: false if that is no fault.")
                context.log.warning("The answer has no content; an empty file was stored.")
            uri = context.storage.put(path, _name_for(props.save_as) if props.save_as else file_name_of(response))
            return self.Output(uri=uri, code=response.status_code, length=length, headers=collect_headers(response))

    def kill(self) -> None:
        """Break the connection."""
        self._sender.stop()


def _read_excerpt(response: httpx.Response) -> str:
    """Return the beginning of the body; the rest of the answer is then lost, so only for one that fails or is small."""
    announced = response.headers.get("content-length", "")
    if not announced.isdigit() or int(announced) > _EXCERPT_BYTES:
        return ""
    return response.read().decode("utf-8", "replace")


def _receive(context: RunContext, response: httpx.Response, path: Path) -> int:
    length = 0
    with path.open("wb") as target:
        for piece in response.iter_bytes(1 << 16):
            length += target.write(piece)
            if context.cancelled.is_set() or (context.deadline is not None and time.monotonic() > context.deadline):
                raise TaskFailure("The download was stopped while the answer came in.")
    announced = response.headers.get("content-length", "")
    has_body = response.request.method != "HEAD" and "content-encoding" not in response.headers
    if has_body and announced.isdigit() and int(announced) != length:
        raise TaskFailure(f"The answer announced {announced} bytes, but {length} came.")
    return length


def file_name_of(response: httpx.Response) -> str:
    """
    Return the name for a downloaded file, URL-encoded and without folders: from Content-Disposition (`filename*` before
    `filename`), else a random one with the extension of the address.
    """
    disposition = response.headers.get("content-disposition", "")
    if match := _EXTENDED_NAME.search(disposition):
        try:
            return _name_for(unquote(match[2], encoding=match[1], errors="replace"))
        except LookupError:
            return _name_for(unquote(match[2]))
    if match := _PLAIN_NAME.search(disposition):
        return _name_for(re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2])
    return secrets.token_hex(8) + PurePosixPath(response.url.path).suffix[:20]


def _name_for(text: str) -> str:
    name = re.split(r"[/\\]", text)[-1].strip().strip(".")
    return quote(name[-_LONGEST_NAME:]) if name else secrets.token_hex(8)
