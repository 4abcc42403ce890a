"""A page in a real browser, with everything that goes wrong in it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, expect

from tests.support import eventually
from tests.support.system_process import SystemProcess

SCREENS = Path(os.environ.get("CELESTRA_SCREENS") or Path(__file__).resolve().parents[2] / "var" / "e2e")
"""Where pictures of the pages go, with `console.html` and `admin.html` to leaf through them."""

LONGEST_ACT = 15_000
"""Milliseconds for a click, a key or a load; a page that needs longer is at fault."""
PHONE, DESK = (390, 844), (1440, 900)
THEMES = ("light", "dark")
REPORTER = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample} ` +
  `${event.sourceFile}:${event.lineNumber} ${event.target.outerHTML?.slice(0, 200) ?? ""}`));"""
_CHOOSE_THEME = """theme => {
  localStorage.setItem("theme", theme);
  document.cookie = `look=${new URLSearchParams({ v: "1", theme })};path=/;samesite=lax`;
  document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event("theme"));
}"""
_KEEP_CHOICE = """([name, value]) => fetch("/ui/settings", {
  method: "POST",
  headers: { "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content },
  body: new URLSearchParams({ name, value }),
}).then((answer) => answer.status)"""
# A page that is left while its stream is open ends that request itself.
_ENDED_BY_LEAVING = "net::ERR_ABORTED"


@dataclass
class Watched:
    """A page and everything that went wrong in it since `faults` was emptied last."""

    page: Page
    base_url: str
    faults: list[str] = field(default_factory=list)
    requested: set[str] = field(default_factory=set)

    def open(self, path: str) -> Response | None:
        """Load a page of the console; a path that starts with a slash is one of the whole site."""
        address = path if path.startswith("/") else f"/ui/{path}"
        return self.page.goto(f"{self.base_url}{address}")

    def set_theme(self, theme: str) -> None:
        """Choose the theme as its button does, for this page and the following ones."""
        self.page.evaluate(_CHOOSE_THEME, theme)

    def set_size(self, size: tuple[int, int]) -> None:
        """Give the window another width and height, in pixels."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def take_faults(self) -> list[str]:
        """Return what went wrong since the last call."""
        taken, self.faults[:] = list(self.faults), []
        return taken

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location
            self.faults.append(f"console: {message.text} ({place.get('url', '')}:{place.get('lineNumber', '')})")

    def _note_request(self, request: Request) -> None:
        # The viewer of PDF files is a part of the browser with addresses of its own.
        if not request.url.startswith((self.base_url, "data:", "blob:", "chrome-extension:", "chrome://resources/")):
            self.faults.append(f"request to another host: {request.url}")
        self.requested.add(urlsplit(request.url).path)

    def _note_failure(self, request: Request) -> None:
        if request.failure != _ENDED_BY_LEAVING:
            self.faults.append(f"failed request: {request.url} ({request.failure})")


def watch(context: BrowserContext, base_url: str) -> Watched:
    """Open a new page and watch it."""
    context.add_init_script(REPORTER)
    watched = Watched(context.new_page(), base_url)
    page = watched.page
    page.set_default_timeout(LONGEST_ACT)
    page.on("pageerror", lambda error: watched.faults.append(f"error: {error}"))
    page.on("console", watched._hear)
    page.on("request", watched._note_request)
    page.on("requestfailed", watched._note_failure)
    return watched


def sign_in(watched: Watched, system: SystemProcess) -> None:
    """Sign in as the administrator."""
    watched.open("login")
    watched.page.fill("#username", system.user)
    watched.page.fill("#password", system.password)
    watched.page.click("button.primary")
    expect(watched.page.locator("nav.nav")).to_have_count(1)


def forget_columns(watched: Watched) -> None:
    """Leave the columns of the editor as it comes: the account remembers them, and other tests begin with them."""
    assert watched.page.evaluate(_KEEP_CHOICE, ["editor-columns", "code~code.topology"]) == 204


def wait_for_editor(page: Page) -> None:
    """Wait until the editor of a flow can be worked with."""
    # Not the browser's own waiting: it evaluates a text, which the content policy forbids.
    eventually(lambda: page.evaluate("!!window.celestraEditor"))


def open_editor(watched: Watched, namespace: str, flow_id: str, query: str = "") -> Page:
    """Open the editor of a flow without faults, and wait until it was checked."""
    watched.open(f"flows/edit/{namespace}/{flow_id}/edit{query}")
    wait_for_editor(watched.page)
    expect(watched.page.locator("#problems")).to_have_text("No problems.")
    return watched.page


def read_source(page: Page) -> str:
    """Return the text in the editor."""
    wait_for_editor(page)
    return str(page.evaluate("window.celestraEditor.getValue()"))


def set_source(page: Page, text: str) -> None:
    """Replace the text of the editor."""
    wait_for_editor(page)
    page.evaluate("text => window.celestraEditor.setValue(text, -1)", text)


def fill_code(page: Page, text: str) -> None:
    """Replace the text of the first field for code of a page; it is a text area that becomes an editor under the cursor."""
    field = page.locator("main textarea").first
    expect(field).to_be_attached()
    if not field.get_attribute("data-code"):
        field.fill(text)
        return
    if field.is_visible():
        field.focus()
    eventually(lambda: page.evaluate("!!document.querySelector('main .code-field.ace_editor')"))
    page.evaluate("text => ace.edit(document.querySelector('main .code-field')).setValue(text, -1)", text)


def make_file_name(text: str) -> str:
    """Return a name for a file of a picture."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "start"
