"""A form field for YAML: a plain text area that becomes a code editor, light or dark like the page around it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.templatetags.static import static

from flows.admin.theme import Textarea
from flows.operations.flows import check_document
from flows.primitives.problems import Severity


class SourceWidget(Textarea):  # type: ignore[misc]
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


class SourceField(forms.CharField):
    """The text of a flow. Its faults are those that the editor of the console shows, each with its line."""

    widget = SourceWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def clean(self, value: Any) -> str:
        """Return the text. Raises ValidationError with every fault."""
        text = str(super().clean(value)).replace("\r\n", "\n")
        faults = check_document(text).list_problems(Severity.ERROR)
        if faults:
            raise forms.ValidationError([_write_fault(str(fault)) for fault in faults])
        return text


def _write_fault(text: str) -> str:
    return text[:1].upper() + text[1:]
