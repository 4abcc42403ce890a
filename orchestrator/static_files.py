"""
Static files: found where they lie, sent compressed, kept by browsers for ever.

They are made small and compressed once, at installation (`python -m orchestrator.static_files`), never while somebody waits.
Where that was not done (development, tests), they are made small when the server starts, and compressed less, which is quicker.
Their address holds a fingerprint of our own files, so that a new version is a new address.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import brotli
import django
from django.conf import settings
from django.contrib.staticfiles import finders
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from orchestrator.served_text import OWN_FOLDER, make_served_text

_ENDINGS = (".js", ".css", ".svg", ".json")
_SMALLEST = 600

# The editor's package brings hundreds of modes and themes, of which the console loads these.
_EDITOR_FOLDER = "django_ace/ace/"
_EDITOR_FILES = (
    "ace.js", "ext-language_tools.js", "ext-searchbox.js", "ext-prompt.js", "theme-github_light_default", "theme-one_dark",
    "mode-yaml.js", "mode-json.js", "mode-python.js", "mode-sh.js", "mode-sql.js", "mode-markdown.js", "mode-text.js",
    "keybinding-", "css/",
)  # fmt: skip


def list_compressible() -> Iterator[tuple[str, Path]]:
    """Yield name and place of the static files that are text which pages load."""
    for finder in finders.get_finders():
        for name, storage in finder.list(None):
            path = Path(storage.path(name))
            if is_compressible(name):
                yield name, path


def is_compressible(name: str) -> bool:
    """Tell whether a static file is text that pages load; parts of a style sheet are loaded within it."""
    if not name.endswith(_ENDINGS) or name.startswith(f"{OWN_FOLDER}css/"):
        return False
    if not name.startswith(_EDITOR_FOLDER):
        return True
    return name.removeprefix(_EDITOR_FOLDER).startswith(_EDITOR_FILES)


def compress_all(folder: Path) -> int:
    """
    Compress what is not compressed yet, and return how many files were written.

    What the installation before did not write either is forgotten; what it wrote may be sent by a web server that still runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    installed = folder / ".installed"
    before = installed.stat().st_mtime if installed.exists() else 0.0
    began = time.time()
    kept: set[str] = set()
    count = 0
    for name, path in list_compressible():
        content = make_served_text(name, path)
        stem = _name_of(content)
        forms = (("plain", bytes), ("br", brotli.compress), ("gz", _compress_gzip))
        for ending, compress in forms if len(content) >= _SMALLEST else forms[:1]:
            kept.add(f"{stem}.{ending}")
            count += _write_once(folder / f"{stem}.{ending}", content, compress)
    for old in folder.iterdir():
        if old.name not in kept and not old.name.startswith(".") and old.stat().st_mtime < before:
            old.unlink(missing_ok=True)
    # Only now, so that an installation broken off is done again; and as of its begin, for sources may have changed since.
    installed.touch()
    os.utime(installed, (began, began))
    return count


def _write_once(target: Path, content: bytes, compress: Callable[[bytes], bytes] = bytes) -> bool:
    if target.exists():
        target.touch()
        return False
    # Written beside and renamed, so that a web server that starts now never sees half of it.
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.write_bytes(compress(content))
    partial.replace(target)
    return True


def _compress_gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _compress_quickly(content: bytes) -> bytes:
    return gzip.compress(content, 4, mtime=0)


def _name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


@lru_cache(maxsize=1)
def _make_spare_folder() -> Path:
    """Return a folder of this process for what the installation did not write; it goes away with the process."""
    folder = Path(tempfile.mkdtemp(prefix="celestra-static-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class StaticFiles(WhiteNoiseMiddleware):
    """Sends static files, compressed where a compressed form was made at installation."""

    def __call__(self, request: Any) -> Any:
        """Answer a request for a static file; one for those of another version gets ours, so that a deployment breaks no page."""
        path: str = request.path_info
        found = self.files.get(path)
        if found is None and path.startswith("/static/"):
            found = self.files.get(self.static_prefix + path.removeprefix("/static/").partition("/")[2])
            if found is not None:
                response = self.serve(found, request)
                response["Cache-Control"] = "no-cache"
                return response
        return self.serve(found, request) if found is not None else self.get_response(request)

    def get_static_file(self, path: str, url: str, stat_cache: dict[str, os.stat_result] | None = None) -> StaticFile:
        """Return what is sent for a path; the forms that are sent lie apart, under the digest of their content."""
        plain = super().get_static_file(path, url, stat_cache=stat_cache)
        name = url.removeprefix(self.static_prefix)
        if not is_compressible(name):
            return plain
        content = make_served_text(name, Path(path))
        stem = _name_of(content)
        folder: Path = settings.COMPRESSED_STATIC_FOLDER
        if not (folder / f"{stem}.plain").exists():
            folder = _make_spare_folder()
            _write_once(folder / f"{stem}.plain", content)
            if len(content) >= _SMALLEST:
                _write_once(folder / f"{stem}.gz", content, _compress_quickly)
        headers = [(header, value) for header, value in plain.alternatives[0][2] if header not in ("Content-Length", "ETag")]
        encodings = {"br": str(folder / f"{stem}.br"), "gzip": str(folder / f"{stem}.gz")}
        return StaticFile(str(folder / f"{stem}.plain"), [*headers, ("ETag", f'"{stem}"')], encodings=encodings)

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Tell whether an address always means the same content; ours do, by the fingerprint in them."""
        return bool(url.startswith(self.static_prefix))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    django.setup()
    written = compress_all(Path(sys.argv[1]) if len(sys.argv) > 1 else settings.COMPRESSED_STATIC_FOLDER)
    print(f"{written} compressed static files written")
