"""The header by which a client may send a request again without starting a second execution."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import encode_json
from flows.api.describing import Value
from flows.api.endpoint import now
from flows.models import Execution
from flows.operations.idempotency import start_once

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"

KEY_VALUE = Value(
    HEADER,
    "A text of your own choice. The same request with the same key within 24 hours starts nothing new; the answer is the "
    f"execution of the first one and has the header `{REPLAYED_HEADER}: true`.",
    where="header",
)


def start_for_key(
    request: Request, inputs: Mapping[str, Any], start: Callable[[], Execution]
) -> tuple[Execution, Callable[[HttpResponse], HttpResponse]]:
    """
    Start an execution, at most once for the key of the request; always when it has none.

    Returns:
        The execution, and a function that marks the answer when the execution is that of an earlier request.

    Raises:
        InvalidError: the key was used for another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return start(), lambda response: response
    execution, is_replayed = start_once(key, make_fingerprint(request, inputs), start, at=now())

    def mark(response: HttpResponse) -> HttpResponse:
        if is_replayed:
            response[REPLAYED_HEADER] = "true"
        return response

    return execution, mark


def make_fingerprint(request: Request, inputs: Mapping[str, Any]) -> str:
    """Return a digest of what a request asks for. Boundaries of forms are left out: they differ from try to try."""
    digest = hashlib.sha256(encode_json([request.method, request.get_full_path()]).encode())
    for name in sorted(inputs):
        value = inputs[name]
        if isinstance(value, UploadedFile):
            digest.update(f"\0{name}\0file\0{value.size}\0".encode("utf-8", "replace"))
            value.seek(0)
            for chunk in value.chunks():
                digest.update(chunk)
            value.seek(0)
        else:
            digest.update(f"\0{name}\0{encode_json(value)}".encode("utf-8", "replace"))
    return digest.hexdigest()
