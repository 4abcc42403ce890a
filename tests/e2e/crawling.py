"""A walk over every kind of page: from the start page along every link, then each kind in both themes and at both widths."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import axe_playwright_python
from django.urls import Resolver404, resolve

from tests.e2e.browsing import DESK, PHONE, SCREENS, THEMES, Watched, make_file_name

LOOKS = (Path(__file__).parent / "looks.js").read_text()
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN_AXE = """() => axe
  .run({exclude: [[".ace_editor"]]}, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
  .then((found) => found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id} (${one.impact}): ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 140)).join(" | ")}`))"""
_LINK = re.compile(r"""<a\b[^>]*?\shref=["']([^"']*)""")

INSTANCES = 2
QUERIES_OF_A_SHAPE = 3
LINKS_OF_A_SHAPE = 3
ADMIN = "admin"
LEAVES = frozenset({"logout", "oidc-begin"})


class Shape(NamedTuple):
    """What makes two addresses the same kind of page: the route, its tab, and for some the names in the query."""

    app: str
    route: str
    tab: str
    query: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.app, self.route, self.tab, "+".join(self.query))))


@dataclass
class Crawl:
    """What a walk found. `faults` and `violations` are lines to read; `reached` holds every shape linked or asked for."""

    pages: dict[Shape, list[str]] = field(default_factory=lambda: defaultdict(list))
    reached: set[Shape] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    pictures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def find_shape(address: str) -> Shape | None:
    """Return the shape of an address of this site, None when no route has it."""
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        return None
    tab = str(match.kwargs.get("tab", ""))
    return Shape(match.app_name, match.url_name or "", tab, tuple(sorted({key for key, _ in parse_qsl(parts.query)})))


def crawl(watched: Watched, start: str = "/ui/") -> Crawl:
    """Follow the links from the start page, look at every kind of page found, and return what was wrong."""
    found = Crawl()
    watched.open(start)
    _find_pages(watched, start, found)
    for shape, addresses in sorted(found.pages.items(), key=lambda item: (item[0].app == ADMIN, item[0])):
        for number, address in enumerate(addresses):
            _look_at(watched, shape, address, found, is_first=number == 0)
    _write_index(found)
    return found


def _find_pages(watched: Watched, start: str, found: Crawl) -> None:
    waiting, known = [watched.base_url + start], {watched.base_url + start}
    asked: dict[Shape, int] = defaultdict(int)
    while waiting:
        address = waiting.pop(0)
        shape = find_shape(address)
        if shape is None:
            found.broken.append(f"{address}: no route")
            continue
        found.reached.add(shape)
        most = 1 if shape.app == ADMIN and shape.query else LINKS_OF_A_SHAPE
        if shape.route in LEAVES or asked[shape] >= most or shape.app == "api":
            continue
        asked[shape] += 1
        answer = watched.page.context.request.get(address, max_redirects=10)
        kind = answer.headers.get("content-type", "")
        if answer.status >= 400:
            found.broken.append(f"{address}: {answer.status}")
            continue
        if not kind.startswith("text/html") or "attachment" in answer.headers.get("content-disposition", ""):
            continue
        landed = find_shape(answer.url) or shape
        found.reached.add(landed)
        if not _is_wanted(found, landed):
            continue
        if answer.url not in found.pages[landed]:
            found.pages[landed].append(answer.url)
        for link in _LINK.findall(answer.text()):
            link = urldefrag(urljoin(answer.url, html.unescape(link))).url
            if link.startswith(watched.base_url + "/") and link not in known:
                known.add(link)
                waiting.append(link)
    found.reached |= {shape for path in watched.requested if (shape := find_shape(path))}


def _is_wanted(found: Crawl, shape: Shape) -> bool:
    if not shape.query:
        return len(found.pages[shape]) < (1 if shape.app == ADMIN else INSTANCES)
    if shape.app == ADMIN:
        return False
    alike = [each for each in found.pages if each[:3] == shape[:3] and each.query and found.pages[each]]
    return not found.pages[shape] and len(alike) < QUERIES_OF_A_SHAPE


def _list_looks(is_first: bool, shape: Shape) -> Iterator[tuple[tuple[int, int], str, bool]]:
    # Two cold loads, in each of which the theme is turned over as its button does it. A page of a known kind is loaded once.
    if is_first and not shape.query and shape.app != ADMIN:
        yield DESK, THEMES[0], True
        yield DESK, THEMES[1], False
        yield PHONE, THEMES[1], True
        yield PHONE, THEMES[0], False
    else:
        yield DESK, THEMES[0], True
        yield PHONE, THEMES[1], False


def _look_at(watched: Watched, shape: Shape, address: str, found: Crawl, *, is_first: bool) -> None:
    page = watched.page
    for size, theme, loads in _list_looks(is_first, shape):
        where = f"{shape} [{address.removeprefix(watched.base_url)}] {theme} {size[0]}"
        watched.take_faults()
        watched.set_size(size)
        watched.set_theme(theme)
        if loads:
            answer = page.goto(address)
            if answer is None or answer.status >= 400:
                found.faults.append(f"{where}: status {answer and answer.status}")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")
        found.faults += [f"{where}: {fault}" for fault in (*page.evaluate(LOOKS), *watched.take_faults())]
        if is_first and size == DESK and not (shape.query and theme == "dark"):
            page.evaluate(AXE)
            found.violations += [f"{where}: {violation}" for violation in page.evaluate(RUN_AXE)]
        if is_first:
            _take_picture(watched, f"{shape} {theme} {size[0]}", str(shape), found)
        found.reached |= {reached for path in watched.requested if (reached := find_shape(path))}
        watched.requested.clear()


def _take_picture(watched: Watched, title: str, shape: str, found: Crawl) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    name = f"{make_file_name(title)}.jpg"
    watched.page.screenshot(path=SCREENS / name, type="jpeg", quality=70, animations="disabled")
    found.pictures[shape].append(name)


def _write_index(found: Crawl) -> None:
    rows = []
    for shape, names in found.pictures.items():
        pictures = "".join(f'<a href="{name}"><img loading="lazy" height="320" src="{name}" alt="{name}"></a> ' for name in names)
        rows.append(f"<h2>{html.escape(shape)}</h2><p>{pictures}</p>")
    page = f'<!doctype html><meta charset="utf-8"><title>Pages of the console</title><h1>Pages of the console</h1>{"".join(rows)}'
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / "index.html").write_text(page, encoding="utf-8")
