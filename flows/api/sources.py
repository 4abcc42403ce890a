"""Reads the YAML documents of a request: plain text, a form with files, or JSON from older clients."""

from __future__ import annotations

from typing import Any

import yaml
from rest_framework.request import Request

from flows.api.endpoint import media_type, read_json, read_text
from flows.primitives.errors import InvalidError, TooLargeError

LARGEST_SOURCE_BYTES = 1024 * 1024


def read_source(request: Request) -> str:
    """
    Return the documents of a request as one text.

    YAML is returned as it was sent. JSON becomes block-style YAML, several uploaded files become one text with `---` lines.

    Raises:
        InvalidError: no body, no UTF-8, or JSON that is no object or list.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        return _read_form(request)
    if kind == "application/json":
        return write_yaml(read_json(request))
    text = read_text(request)
    if not text.strip():
        raise InvalidError("The request needs a YAML body and has none.", code="source-missing")
    return text


def _read_form(request: Request) -> str:
    form = request._request
    texts = [str(value) for values in (values for _, values in form.POST.lists()) for value in values]
    for _, files in form.FILES.lists():
        for file in files:
            if (file.size or 0) > LARGEST_SOURCE_BYTES:
                raise TooLargeError(
                    f'The file "{file.name}" is larger than the {LARGEST_SOURCE_BYTES} bytes that a flow may have.'
                )
            try:
                texts.append(file.read().decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                raise InvalidError(f'The file "{file.name}" must be UTF-8 text.', code="encoding") from error
    if not texts:
        raise InvalidError("The form holds no file with YAML.", code="source-missing")
    return "\n---\n".join(texts)


class _Writer(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as people do."""


def _write_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Writer.add_representer(str, _write_text)


def write_yaml(value: Any) -> str:
    """Return JSON data as block-style YAML; the members of a list become documents. Raises InvalidError for anything else."""
    documents = value if isinstance(value, list) else [value]
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise InvalidError("Invalid json: the body must be an object or a list of objects.", code="json-shape")
    return yaml.dump_all(documents, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)
