"""How the audit log describes a saved text: revisions and the lines that changed, without what looks like a secret value."""

from __future__ import annotations

import difflib
import re
from typing import Any

from flows.models import FlowRevision, TemplateRevision

LARGEST_DIFF_BYTES = 20 * 1024
MASK = "******"

_WORDS = "password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key"
_TELLING = re.compile(
    rf"^(?P<before>[ +-]?[ \t]*(?:-[ \t]+)?[\"']?[\w.-]*(?:{_WORDS})[\w.-]*[\"']?[ \t]*:[ \t]+)(?P<value>\S.*)$", re.IGNORECASE
)


def describe_source_change(
    before: FlowRevision | TemplateRevision | None, source: str, revision: int
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """
    Return what the audit log keeps of a save: the revision before, and the one after with a unified diff of at most 20 KB.

    Values behind keys that name a secret are masked, unless an expression reads them. Source: security, S-34.
    """
    old = "" if before is None else str(before.source)
    lines = difflib.unified_diff(old.splitlines(), source.splitlines(), lineterm="", n=2)
    text = "\n".join(mask_line(line) for line in list(lines)[2:])
    raw = text.encode("utf-8", "replace")
    if len(raw) > LARGEST_DIFF_BYTES:
        text = raw[:LARGEST_DIFF_BYTES].decode("utf-8", "ignore") + "\n... cut"
    known = None if before is None else {"revision": before.revision}
    return known, {"revision": revision, "diff": text}


def mask_line(line: str) -> str:
    """Return a line of YAML, with its value masked when its key names a secret and the value is written out."""
    found = _TELLING.match(line)
    if found is None or "{{" in found["value"]:
        return line
    return f"{found['before']}{MASK}"
