"""One log line per event: time, level, logger, message, then the fields that the caller passed in `extra`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class EventFormatter(logging.Formatter):
    """Format a record as `2031-05-04T10:00:00.123Z INFO flows.engine execution.killed execution=4Qz by=alice`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD_FIELDS)
        line = f"{moment} {record.levelname} {record.name} {record.getMessage()}{fields}".replace("\n", "\n  ")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
