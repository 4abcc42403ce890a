"""A walk over every kind of page: from the start page along every link, then each kind in both themes and at both widths."""

from __future__ import annotations

import html
import http.client
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import axe_playwright_python
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser

from tests.e2e.browsing import DESK, PHONE, SCREENS, THEMES, Watched, make_file_name, watch
from tests.e2e.seeding import Seeded

LOOKS = (Path(__file__).parent / "looks.js").read_text()
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN_AXE = """() => axe
  .run({exclude: [[".ace_editor"]]}, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
  .then((found) => found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id} (${one.impact}): ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 140)).join(" | ")}`))"""
INDEX = """<!doctype html>
<meta charset="utf-8">
<title>Pages of the console</title>
<style>
  body { font: 14px system-ui; margin: 24px; background: #8884 }
  nav { columns: 5 12em; margin-bottom: 24px } nav a { display: block }
  section { margin-bottom: 32px } h2 { position: sticky; top: 0; background: Canvas; margin: 0; padding: 6px }
  img { height: 420px; margin: 4px; border: 1px solid #8888; vertical-align: top }
</style>
<h1>Pages of the console</h1>
<p><a href="console.html">console</a> <a href="admin.html">administration</a></p>
<nav>{links}</nav>
{rows}
"""
_LINK = re.compile(r"""<a\b[^>]*?\shref=["']([^"']*)""")

STARTS = ("/ui/", "/ui/flows/edit/company.sales/notify/logs", "/ui/flows/edit/company.sales/load_warehouse/triggers")
"""Where the walk begins. Most flows have run seldom; the others are a page with lines and one with a trigger that polls."""

INSTANCES = 2
QUERIES_OF_A_SHAPE = 3
LINKS_OF_A_SHAPE = 3
ADMIN = "admin"
LEAVES = frozenset({"logout", "oidc-begin"})
ASKERS = 4
LONGEST_READ = 4 * 1024 * 1024


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
    """
    What a walk found. `faults` and `violations` are lines to read; `reached` holds every shape linked or asked for; `links` holds
    every address that a looked-at page links to, with one page that does.
    """

    pages: dict[Shape, list[str]] = field(default_factory=lambda: defaultdict(list))
    reached: set[Shape] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    pictures: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))


def find_shape(address: str) -> Shape | None:
    """Return the shape of an address of this site, None when no route has it."""
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        return None
    tab = str(match.kwargs.get("tab", ""))
    return Shape(match.app_name, match.url_name or "", tab, tuple(sorted({key for key, _ in parse_qsl(parts.query)})))


def walk(browser: Browser, signed_in: Any, seeded: Seeded, *, part: str) -> Crawl:
    """
    Follow the links from a few pages, look at every kind of page found in one part of the site, and return what was wrong.

    Args:
        signed_in: what a browser keeps of somebody who has signed in.
        part: `console` or `admin`. Each follows all links, and looks at its own pages only.
    """
    size = {"width": DESK[0], "height": DESK[1]}
    context = browser.new_context(viewport=size, storage_state=signed_in, reduced_motion="reduce")  # type: ignore[arg-type]
    watched = watch(context, seeded.system.base_url)
    _begin_job(watched)
    found = Crawl()
    _find_pages(watched, STARTS, found)
    found.broken += _find_broken(watched, [link for link in found.links if _is_in(part, find_shape(link))], found)
    for shape, addresses in sorted(found.pages.items()):
        for number, address in enumerate(addresses if _is_in(part, shape) else ()):
            _look_at(watched, shape, address, found, is_first=number == 0)
    context.close()
    _write_index(found, part)
    return found


def _is_in(part: str, shape: Shape | None) -> bool:
    return (shape is not None and shape.app == ADMIN) is (part == ADMIN)


def _begin_job(watched: Watched) -> None:
    # Only the console makes jobs.
    watched.open("flows/bulk?namespace=company.sales&act=enable")
    watched.page.locator("main form[method=post] button.primary").click()
    watched.page.wait_for_url("**/ui/jobs/*")


def _find_pages(watched: Watched, starts: Iterable[str], found: Crawl) -> None:
    waiting = [watched.base_url + start for start in starts]
    known = set(waiting)
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
            if not link.startswith(watched.base_url + "/"):
                continue
            found.links.setdefault(link, answer.url)
            if link not in known:
                known.add(link)
                waiting.append(link)
    found.reached |= {shape for path in watched.requested if (shape := find_shape(path))}


def _find_broken(watched: Watched, links: Iterable[str], found: Crawl) -> list[str]:
    """Ask for linked addresses once and return those that answer with an error, each with a page that links to it."""
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in watched.page.context.cookies(watched.base_url))
    wanted = [link for link in links if (shape := find_shape(link)) is None or shape.route not in LEAVES]
    parts = [wanted[number::ASKERS] for number in range(ASKERS)]
    with ThreadPoolExecutor(ASKERS) as pool:
        statuses = dict(pair for asked in pool.map(lambda part: _ask_for(part, cookies), parts) for pair in asked)
    return [f"{link} on {found.links[link]}: {status}" for link, status in statuses.items() if status >= 400]


def _ask_for(links: Iterable[str], cookies: str) -> list[tuple[str, int]]:
    # One connection for all, and no page is read to its end when it is long: only the status matters.
    found, connection = [], None
    for link in links:
        parts = urlsplit(link)
        connection = connection or http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers={"Cookie": cookies})
        answer = connection.getresponse()
        found.append((link, answer.status))
        if len(answer.read(LONGEST_READ)) == LONGEST_READ:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return found


def _is_wanted(found: Crawl, shape: Shape) -> bool:
    if not shape.query:
        return len(found.pages[shape]) < (1 if shape.app == ADMIN else INSTANCES)
    if shape.app == ADMIN:
        return False
    alike = [each for each in found.pages if each[:3] == shape[:3] and each.query and found.pages[each]]
    return not found.pages[shape] and len(alike) < QUERIES_OF_A_SHAPE


def _list_looks(*, is_first: bool) -> Iterator[tuple[tuple[int, int], str, bool]]:
    # Two cold loads, in each of which the theme is turned over as its button does it. A page of a known kind, and one of the
    # admin, whose pages are all made by the same templates, has one theme at each width.
    yield DESK, THEMES[0], True
    if is_first:
        yield DESK, THEMES[1], False
    yield PHONE, THEMES[1], True
    if is_first:
        yield PHONE, THEMES[0], False


def _look_at(watched: Watched, shape: Shape, address: str, found: Crawl, *, is_first: bool) -> None:
    page = watched.page
    for size, theme, loads in _list_looks(is_first=is_first and shape.app != ADMIN):
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
        if is_first:
            if not page.evaluate("!!window.axe"):
                page.evaluate(AXE)
            found.violations += [f"{where}: {violation}" for violation in page.evaluate(RUN_AXE)]
            _take_picture(watched, str(shape), f"{theme} {size[0]}", found)
        found.reached |= {reached for path in watched.requested if (reached := find_shape(path))}
        watched.requested.clear()


def _take_picture(watched: Watched, shape: str, look: str, found: Crawl) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    name = f"{make_file_name(f'{shape} {look}')}.png"
    watched.page.screenshot(path=SCREENS / name, animations="disabled")
    found.pictures[shape][look] = name


def _write_index(found: Crawl, part: str) -> None:
    """Write a page to leaf through: one row for each kind of page, its four looks side by side."""
    looks = [f"{theme} {size[0]}" for size in (DESK, PHONE) for theme in THEMES]
    links, rows = [], []
    for shape, names in sorted(found.pictures.items()):
        anchor = make_file_name(shape)
        links.append(f'<a href="#{anchor}">{html.escape(shape)}</a>')
        pictures = "".join(
            f'<a href="{names[look]}"><img loading="lazy" src="{names[look]}" alt="{html.escape(shape)}, {look}"></a>'
            for look in looks
            if look in names
        )
        rows.append(f'<section id="{anchor}"><h2>{html.escape(shape)}</h2>{pictures}</section>')
    text = INDEX.replace("{links}", " ".join(links)).replace("{rows}", "".join(rows))
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / f"{part}.html").write_text(text, encoding="utf-8")
    (SCREENS / f"{part}-faults.txt").write_text("\n".join((*found.broken, *found.faults, *found.violations)), encoding="utf-8")
