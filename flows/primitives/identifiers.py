"""Which texts may name things: ids, namespaces, keys, labels. Patterns, length limits and the reason for a refusal."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

RESERVED_FLOW_IDS = frozenset(
    {"pause", "resume", "force-run", "change-status", "kill", "executions", "search", "source", "disable", "enable"}
)
"""
Flow ids that are also segments of API paths. A flow may have one, with a warning: published flows do. Source: flow language,
2.2, and our decision 0004.
"""

SYSTEM_LABEL_PREFIX = "system."
LONGEST_LABEL_KEY = 255
LONGEST_LABEL_VALUE = 1024


class NameKind(StrEnum):
    """What a name belongs to; every kind has a pattern and a length limit of its own."""

    FLOW = "flow"
    NAMESPACE = "namespace"
    TENANT = "tenant"
    TASK = "task"
    TRIGGER = "trigger"
    INPUT = "input"
    OUTPUT = "output"
    KEY = "key"
    WORKER_GROUP = "worker group"


PATTERNS: dict[NameKind, str] = {
    NameKind.FLOW: "[a-zA-Z0-9][a-zA-Z0-9._-]*",
    NameKind.NAMESPACE: "[a-z0-9][a-z0-9._-]*",
    NameKind.TENANT: "[a-z0-9][a-z0-9_-]*",
    NameKind.TASK: "[a-zA-Z0-9][a-zA-Z0-9_-]*",
    NameKind.TRIGGER: "[a-zA-Z0-9][a-zA-Z0-9_-]*",
    NameKind.INPUT: "[a-zA-Z0-9][.a-zA-Z0-9_-]*",
    NameKind.OUTPUT: "[a-zA-Z0-9][.a-zA-Z0-9_-]*",
    NameKind.KEY: "[a-zA-Z0-9][a-zA-Z0-9._-]*",
    NameKind.WORKER_GROUP: "[a-zA-Z0-9][a-zA-Z0-9_-]*",
}
"""Patterns that the whole name must match. Source: flow language, 2.1 and 2.3."""

LENGTH_LIMITS: dict[NameKind, int] = {
    NameKind.FLOW: 100,
    NameKind.NAMESPACE: 150,
    NameKind.TENANT: 150,
    NameKind.TASK: 256,
    NameKind.TRIGGER: 256,
    NameKind.INPUT: 256,
    NameKind.OUTPUT: 256,
    NameKind.KEY: 256,
    NameKind.WORKER_GROUP: 256,
}

TYPE_NAME_PATTERN = r"[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*"
"""What the `type` of a plugin looks like: words joined by dots."""

_COMPILED = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}
_IN_WORDS = {
    NameKind.FLOW: "letters, digits, dots, dashes and underscores, and must begin with a letter or digit",
    NameKind.NAMESPACE: "lower-case letters, digits, dots, dashes and underscores, and must begin with a letter or digit",
    NameKind.TENANT: "lower-case letters, digits, dashes and underscores, and must begin with a letter or digit",
    NameKind.TASK: "letters, digits, dashes and underscores, and must begin with a letter or digit; dots are not allowed",
    NameKind.TRIGGER: "letters, digits, dashes and underscores, and must begin with a letter or digit; dots are not allowed",
    NameKind.INPUT: "letters, digits, dots, dashes and underscores, and must begin with a letter or digit",
    NameKind.OUTPUT: "letters, digits, dots, dashes and underscores, and must begin with a letter or digit",
    NameKind.KEY: "letters, digits, dots, dashes and underscores, and must begin with a letter or digit",
    NameKind.WORKER_GROUP: "letters, digits, dashes and underscores, and must begin with a letter or digit",
}
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def find_name_fault(kind: NameKind, name: str) -> str | None:
    """
    Return why `name` may not name a thing of this kind, as the second half of a sentence, or None when it may.

    Every pattern is ASCII only, so look-alike letters, direction marks and texts that differ only in their Unicode form can
    never both be names.

    Source: flow language, 2.1 to 2.3; security S-16.
    """
    if not name:
        return "must not be empty"
    if len(name) > LENGTH_LIMITS[kind]:
        return f"must not be longer than {LENGTH_LIMITS[kind]} characters, but has {len(name)}"
    if _COMPILED[kind].fullmatch(name) is None:
        return f"may only hold {_IN_WORDS[kind]}"
    return None


def find_label_fault(key: str, value: str) -> str | None:
    """
    Return why this label may not be stored, as the second half of a sentence, or None when it may.

    Keys and values are free text, but never empty, at most 255 and 1024 characters long, in composed Unicode form, and
    without characters that cannot be seen or that change the direction of writing.

    Source: flow language, 5.3; security S-16.
    """
    if not key.strip():
        return "must have a key that is not empty"
    if len(key) > LONGEST_LABEL_KEY:
        return f"has a key of {len(key)} characters, but at most {LONGEST_LABEL_KEY} are allowed"
    if not value:
        return "must have a value that is not empty"
    if len(value) > LONGEST_LABEL_VALUE:
        return f"has a value of {len(value)} characters, but at most {LONGEST_LABEL_VALUE} are allowed"
    if key != key.strip() or unicodedata.normalize("NFKC", key) != key:
        return "has a key that looks like another one: use plain letters and no space at its ends"
    for text, part in ((key, "key"), (value, "value")):
        for character in text:
            if unicodedata.category(character) in _UNSEEN_CATEGORIES and not (part == "value" and character in "\t\n"):
                return f"has a {part} with the unseen character U+{ord(character):04X}, which is not allowed"
    return None


def is_system_label(key: str) -> bool:
    """Return whether only the platform itself may set this label."""
    return unicodedata.normalize("NFKC", key).strip().lower().startswith(SYSTEM_LABEL_PREFIX)
