"""
Static files: found where they lie, sent compressed, kept by browsers for ever.

They are compressed once, at installation (`python -m orchestrator.static_files`), never while somebody waits. Their address
holds a fingerprint of our own files, so that a new version is a new address.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import django
from django.conf import settings
from django.contrib.staticfiles import finders
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

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
    """Yield name and place of the static files that are worth compressing."""
    for finder in finders.get_finders():
        for name, storage in finder.list(None):
            path = Path(storage.path(name))
            if is_compressible(name) and path.stat().st_size >= _SMALLEST:
                yield name, path


def is_compressible(name: str) -> bool:
    """Tell whether a static file is text that pages load."""
    if not name.endswith(_ENDINGS):
        return False
    if not name.startswith(_EDITOR_FOLDER):
        return True
    return name.removeprefix(_EDITOR_FOLDER).startswith(_EDITOR_FILES)


def compress_all(folder: Path) -> int:
    """Compress what is not compressed yet, forget what no file has as its content any more; return how many were written."""
    folder.mkdir(parents=True, exist_ok=True)
    kept: set[str] = set()
    count = 0
    for _, path in list_compressible():
        content = path.read_bytes()
        stem = _name_of(content)
        for ending, compress in (("br", brotli.compress), ("gz", _compress_gzip)):
            kept.add(f"{stem}.{ending}")
            target = folder / f"{stem}.{ending}"
            if not target.exists():
                # Written beside and renamed, so that a web server that starts now never sees half of it.
                partial = folder / f".{stem}.{ending}.{os.getpid()}"
                partial.write_bytes(compress(content))
                partial.replace(target)
                count += 1
    for old in folder.iterdir():
        if old.name not in kept and not old.name.startswith("."):
            old.unlink(missing_ok=True)
    return count


def _compress_gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
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
        """Return what is sent for a path; the compressed forms lie apart, under the digest of the content."""
        plain = super().get_static_file(path, url, stat_cache=stat_cache)
        folder: Path = settings.COMPRESSED_STATIC_FOLDER
        name = url.removeprefix(self.static_prefix)
        if not folder.is_dir() or not is_compressible(name):
            return plain
        stem = folder / _name_of(Path(path).read_bytes())
        encodings = {"br": f"{stem}.br", "gzip": f"{stem}.gz"}
        headers = [(header, value) for header, value in plain.alternatives[0][2] if header not in ("Content-Length", "ETag")]
        return StaticFile(path, headers, encodings=encodings)

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Tell whether an address always means the same content; ours do, by the fingerprint in them."""
        return bool(url.startswith(self.static_prefix))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    django.setup()
    written = compress_all(Path(sys.argv[1]) if len(sys.argv) > 1 else settings.COMPRESSED_STATIC_FOLDER)
    print(f"{written} compressed static files written")
