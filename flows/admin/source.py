"""A form field for YAML: a plain text area that becomes a code editor, light or dark like the page around it."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

from flows.admin.theme import Textarea
from flows.operations.flow_checks import check_document
from flows.primitives.problems import Severity


class SourceWidget(Textarea):
    """The text area stays in the page and carries the text, so that the form also works where no script runs."""

    class Media:
        css = {
            "all": (
                "django_ace/ace/css/ace.css",
                "django_ace/ace/css/theme/github_light_default.css",
                "django_ace/ace/css/theme/one_dark.css",
            )
        }
        js = ("django_ace/ace/ace.js", "flows/admin/source.js")

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 28, "spellcheck": "false", **(attrs or {})})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Tell the script where the editor's files are."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["data-source"] = static("django_ace/ace/ace.js").removesuffix("/ace.js")
        return context


def list_faults(text: str) -> list[str]:
    """Return what blocks a source, as the editor of the console says it, each with its line."""
    faults = [str(fault) for fault in check_document(text).list_problems(Severity.ERROR)]
    return [f"{fault[:1].upper()}{fault[1:]}" for fault in faults]
