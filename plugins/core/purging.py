"""Properties that the purges of versions share: which namespaces, and what to keep."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from flows.plugin_api.fields import Field, Moment, Prop, Properties, Text
from flows.plugin_api.tasks import TaskFailure


class NamespaceChoice(Properties):
    """Which namespaces a purge looks at: a list, a pattern, or all."""

    namespaces: Prop[list[Text]] | None = None
    namespace_pattern: Prop[str] | None = Field(default=None, description="Glob; not together with `namespaces`.")
    include_child_namespaces: Prop[bool] = Field(default=True, description="The children of `namespaces`, too.")


class VersionBehavior(Properties):
    """What a purge of versions keeps: a number of the newest, or all since a date. The newest always stays."""

    type: Prop[Literal["version"]] = "version"
    keep_amount: Prop[int] | None = Field(default=None, ge=1)
    before: Prop[Moment] | None = None

    def to_options(self) -> dict[str, Any]:
        """Return the behavior as the platform takes it. Raises TaskFailure when both ways are given."""
        if self.keep_amount is not None and self.before is not None:
            raise TaskFailure('Give "keepAmount" or "before" of the behavior, not both.', permanent=True)
        return {"type": "version", **version_limit(self.keep_amount, self.before)}


def version_limit(keep_amount: int | None, before: datetime | None) -> dict[str, Any]:
    """Return the part of a behavior that says which versions stay; one version when nothing is said."""
    return {"before": before} if before is not None else {"keepAmount": keep_amount or 1}


def namespace_options(choice: NamespaceChoice) -> dict[str, Any]:
    """Return the choice of namespaces as the platform takes it. Raises TaskFailure when both ways are given."""
    if choice.namespaces and choice.namespace_pattern:
        raise TaskFailure('Give "namespaces" or "namespacePattern", not both.', permanent=True)
    return {
        "namespaces": choice.namespaces,
        "namespace_pattern": choice.namespace_pattern,
        "include_child_namespaces": choice.include_child_namespaces,
    }
