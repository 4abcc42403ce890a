"""
What a browser gets for a text file of ours: style sheets in one piece, everything without spaces and comments.

Sources stay readable: a style sheet names its parts with `@import`, and the dark look is written once.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders
from rcssmin import cssmin
from rjsmin import jsmin

OWN_FOLDER = "flows/"

_IMPORT = re.compile(r'^@import "(?P<name>[^"]+)";\n?', re.MULTILINE)
_ADDRESS = re.compile(r"url\((?P<quote>[\"']?)(?P<name>[\w./-]+\.(?:png|svg|gif))(?P=quote)\)")
_DARK = re.compile(r'\[data-theme="?dark"?\]')
_DARK_RULE = re.compile(rf"(?:^|(?<=[}}{{;])){_DARK.pattern}[^{{}}]*\{{[^{{}}]*\}}")
_DARK_BY_SYSTEM = ":where(:root):not([data-theme])"


def make_served_text(name: str, path: Path) -> bytes:
    """
    Return what is sent for a static file.

    Args:
        name: its name under the address of static files. Only those of our own are changed; packages bring theirs small.
        path: where it lies.

    Raises:
        OSError: the file cannot be read, or imports one that does not exist.
    """
    if not name.startswith(OWN_FOLDER):
        return path.read_bytes()
    if path.suffix == ".css":
        return _make_small_style(join_style(name, path)).encode()
    return _make_small_script(path.read_text("utf-8")).encode() if path.suffix == ".js" else path.read_bytes()


def join_style(name: str, path: Path, *, folder: str = "") -> str:
    """
    Return a style sheet with the sheets that it imports in their places.

    Args:
        name: its name under the address of static files, to which its imports are relative.
        path: where it lies.
        folder: folder of the sheet that is sent, from which its pictures are reached; its own one when empty.

    Raises:
        FileNotFoundError: an imported sheet does not exist.
    """
    here = posixpath.dirname(name)
    folder = folder or here

    def write_address(found: re.Match[str]) -> str:
        return f"url({posixpath.relpath(posixpath.join(here, found['name']), folder)})"

    def read_import(found: re.Match[str]) -> str:
        wanted = posixpath.normpath(posixpath.join(here, found["name"]))
        place = finders.find(wanted)
        if place is None:
            raise FileNotFoundError(f'The style sheet "{name}" imports "{wanted}", which is no static file.')
        return join_style(wanted, Path(place), folder=folder)

    return _IMPORT.sub(read_import, _ADDRESS.sub(write_address, path.read_text("utf-8")))


def follow_system(style: str) -> str:
    """
    Return a small style sheet whose dark rules also hold where nobody chose a theme and the system is dark.

    The copy follows its rule, with the same weight, so that the order of rules decides as before. Without it a page would need
    a script before its first paint.
    """
    return _DARK_RULE.sub(
        lambda found: f"{found[0]}@media (prefers-color-scheme:dark){{{_DARK.sub(_DARK_BY_SYSTEM, found[0])}}}", style
    )


@lru_cache(maxsize=64)
def _make_small_style(text: str) -> str:
    return follow_system(str(cssmin(text)))


@lru_cache(maxsize=256)
def _make_small_script(text: str) -> str:
    return str(jsmin(text))
