"""Rows that belong to namespaces are read through the one place that narrows them; nothing goes around it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWNED = "Execution|TaskRun|LogEntry|Metric|Flow|FlowRevision|TriggerState|Template|TemplateRevision|KeyValue|Secret|NamespaceFile"
_DIRECT = re.compile(rf"\b(?:{OWNED})\.(?:objects|_default_manager)\b")
ALLOWED = {
    # Figures of the whole installation, for who may read its settings.
    "flows/queries/prometheus.py": 99,
    "flows/queries/system.py": 3,
    # Names that only make a condition: the rows it is put on are narrowed by themselves.
    "flows/queries/texts.py": 2,
    "flows/queries/failures.py": 2,
    "flows/queries/inbox.py": 2,
    # How far back the newest lines reach, and how many there are in all.
    "flows/queries/logs.py": 3,
}


def test_queries_and_pages_read_owned_rows_only_narrowed() -> None:
    beyond = {}
    for folder in ("flows/queries", "flows/api", "flows/ui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            count = len(_DIRECT.findall(path.read_text(encoding="utf-8")))
            if count > ALLOWED.get(name, 0):
                beyond[name] = count

    assert beyond == {}
