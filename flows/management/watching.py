"""A folder of flow files that the platform follows: saved at the start, and again whenever one of them changes."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType

from django.db import OperationalError, connection
from django.utils import timezone

from flows.language.source import split_documents
from flows.management.documents import list_files
from flows.management.terminal import UsageError
from flows.operations.flows import save_flow
from flows.primitives.errors import FlowsError

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
ACTOR = "flow path"

Mark = tuple[int, int]


class FlowFolder:
    """The flow files below a folder, with what they were like when they were last saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, Mark] = {}

    def save_changes(self) -> int:
        """
        Save the flows of every file that is new or changed, and return how many files those were.

        A file with a fault is reported and left until it changes again; a file that goes away leaves its flows as they are.
        """
        marks = self._read_marks()
        changed = [path for path, mark in marks.items() if self._seen.get(path) != mark]
        for path in changed:
            self._save(Path(path))
        self._seen = marks
        return len(changed)

    def _read_marks(self) -> dict[str, Mark]:
        marks = {}
        try:
            for path in list_files([str(self._folder)]):
                facts = Path(path).stat()
                marks[path] = (facts.st_mtime_ns, facts.st_size)
        except (OSError, UsageError) as error:
            log.warning("flow-path.unreadable", extra={"folder": str(self._folder), "reason": str(error)})
        return marks

    def _save(self, path: Path) -> None:
        try:
            documents = split_documents(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            log.warning("flow-path.unreadable", extra={"file": str(path), "reason": str(error)})
            return
        for document in documents:
            try:
                saved = save_flow(document, at=timezone.now(), actor=ACTOR)
            except FlowsError as error:
                log.warning("flow-path.refused", extra={"file": str(path), "reason": error.message})
                continue
            if saved.changed:
                log.info("flow-path.saved", extra={"flow": str(saved.flow), "revision": saved.revision.revision})


def watch_flows(folder: Path) -> int:
    """Save the flows of a folder now and at every change until TERM or INT."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    flows = FlowFolder(folder)
    while True:
        try:
            flows.save_changes()
        except OperationalError as error:
            # The marks were not kept, so the same files come again.
            log.warning("flow-path.database-away", extra={"reason": str(error).strip()})
            connection.close()
        if stopping.wait(LOOK_EVERY_SECONDS):
            return 0
