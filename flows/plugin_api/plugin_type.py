"""What every type of a plugin says of itself: a task, a trigger, a condition or a runner."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from flows.plugin_api.fields import Output, Properties

PropsClass: TypeAlias = type[Properties]
OutputClass: TypeAlias = type[Output] | None


class PluginType:
    """
    Base of all classes that a manifest lists.

    `type` is the canonical name, `aliases` are older names that it answers to, `title` and `description` (Markdown, the docstring
    when empty) tell people what it is for, `examples` are lists of tasks or whole flows in YAML. A text in `deprecated` says what
    to use instead.
    """

    kind: ClassVar[str]
    type: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    description: ClassVar[str] = ""
    examples: ClassVar[tuple[str, ...]] = ()
    deprecated: ClassVar[str] = ""
    Props: ClassVar[PropsClass]
