"""What tells one version of our static files from another. Imports nothing of Django, because the settings need it."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

_LENGTH = 10
_PACKAGES = ("django", "django-ace", "djangorestframework")


def read_fingerprint(folder: Path) -> str:
    """
    Return a text that changes with the content of our static files and with the versions of the packages that bring others.

    The same on every host, so that a page of one web server may load its files from another.
    """
    digest = hashlib.sha256()
    for name in _PACKAGES:
        digest.update(metadata.version(name).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:_LENGTH]
