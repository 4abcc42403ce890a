"""The documentation that comes with this version, as pages of the console: what empty lists and menus link to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from flows.primitives.errors import NotFoundError
from flows.ui.markdown import render_markdown
from flows.ui.page import Crumb, answer_page

FOLDER = Path(settings.BASE_DIR) / "docs"
LEFT_OUT = frozenset({"decisions", "benchmarks.md", "status.md", "tasks"})
"""What is for those who change the product, not for those who use it; the pages of plugins say what the lists of types say."""

START = "language/README"
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_HEADING = re.compile(r"<h([2-4])>(.*?)</h\1>", re.DOTALL)
_MARKUP = re.compile("<[^>]+>")


@dataclass(frozen=True, slots=True)
class Document:
    """One page: its name in addresses, its title, its HTML, and its headings of the second level as pairs of id and text."""

    name: str
    title: str
    html: SafeString
    headings: tuple[tuple[str, str], ...]


def show_document(request: HttpRequest, name: str = START) -> HttpResponse:
    """Show one page of the documentation beside the list of all of them."""
    document = read_document(name)
    groups: dict[str, list[tuple[str, str]]] = {}
    for other, title in list_documents():
        groups.setdefault("The flow language" if other.startswith("language/") else "Working with it", []).append((other, title))
    crumbs = [Crumb("Documentation", reverse("ui:docs")), Crumb(document.title)]
    context = {"document": document, "groups": groups.items()}
    return answer_page(request, "flows/document.html", context, title=document.title, nav="docs", crumbs=crumbs)


@lru_cache(maxsize=1)
def list_documents() -> tuple[tuple[str, str], ...]:
    """Return name and title of every page, those of the language first."""
    paths = (path.relative_to(FOLDER) for path in FOLDER.rglob("*.md"))
    kept = sorted(path for path in paths if not LEFT_OUT.intersection(path.parts))
    kept = [path for path in kept if path.as_posix() != "README.md"]
    kept.sort(key=lambda path: (path.parts[0] != "language", path.name != "README.md", path))
    return tuple((path.with_suffix("").as_posix(), _read_title(FOLDER / path)) for path in kept)


@lru_cache(maxsize=128)
def read_document(name: str) -> Document:
    """Return a page by its name, such as `language/triggers`. Raises NotFoundError."""
    title = dict(list_documents()).get(name)
    if title is None:
        raise NotFoundError(f'The documentation has no page "{name[:100]}".', code="document-not-found")
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    body = text.split("\n", 1)[1] if text.startswith("# ") else text
    linked = _LINK.sub(lambda found: _lead(name, found), _PICTURE.sub("", body))
    headings: list[tuple[str, str]] = []

    def add_id(found: re.Match[str]) -> str:
        words = unescape(_MARKUP.sub("", found[2]))
        slug = _make_slug(words)
        if found[1] == "2":
            headings.append((slug, words))
        return f'<h{found[1]} id="{slug}">{found[2]}</h{found[1]}>'

    html = _HEADING.sub(add_id, render_markdown(linked))
    html = html.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return Document(name, title, SafeString(html), tuple(headings))


def _lead(name: str, found: re.Match[str]) -> str:
    """Return a link to another file as one to its page; what has no page stays as its words."""
    words, target, anchor = found[1], found[2], found[3] or ""
    if not target:
        return f"[{words}]({anchor})"
    parts: list[str] = []
    for part in (*PurePosixPath(name).parent.parts, *PurePosixPath(target).parts):
        if part == "..":
            if not parts:
                return words
            parts.pop()
        else:
            parts.append(part)
    wanted = "/".join(parts).removesuffix(".md")
    if "tasks" in parts:
        return f"[{words}]({reverse('ui:plugins')})"
    known = dict(list_documents())
    return f"[{words}]({reverse('ui:doc', args=[wanted])}{anchor})" if wanted in known else words


def _make_slug(words: str) -> str:
    return re.sub(r"[^\w -]", "", words.lower()).strip().replace(" ", "-")


def _read_title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        first = next(lines, "").strip()
    return first.removeprefix("# ").replace("`", "") or path.stem
