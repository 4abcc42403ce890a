"""
The pictures of the documentation: `python -m tests.e2e.screens` starts a system, fills it and writes docs/screens/*.png.

Run it after a change of the pages and look at every picture before it is committed. Every page is taken in both themes; the dark
one's file ends in `-dark`. A page that cannot be taken is told at the end and costs no other picture.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.browsing import DESK, PHONE, THEMES, Watched, sign_in, wait_for_editor, watch
from tests.e2e.conftest import FLAGS
from tests.e2e.pictures import shrink
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess
from tests.support.systems import started_system

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screens"
SHOP = Path(__file__).parent / "seed" / "shop"
LARGEST_BYTES = 120 * 1024

LAY_OUT = """
from datetime import timedelta
from math import sin
from zlib import crc32
from flows.models import Execution
usual = {"import_orders": 21, "reconcile_payments": 74, "restock_forecast": 190, "daily_revenue": 402, "load_warehouse": 330,
         "newsletter": 48}
kept = set(%(kept)r)
moved = [row for row in Execution.objects.exclude(ended_at=None) if row.pk not in kept]
moved.sort(key=lambda row: crc32(row.pk.encode()))
for number, row in enumerate(moved):
    share = number / max(1, len(moved))
    back = timedelta(minutes=25 + 1370 * share + 70 * sin(share * 19) + number * 7 %% 11)
    took = timedelta(seconds=usual.get(row.flow_id, 8) * (0.75 + (number * 37 %% 50) / 100))
    began = row.created_at - back
    Execution.objects.filter(pk=row.pk).update(created_at=began, ended_at=began + took)
"""
"""The one thing that cannot be had through the API: a past. What has ended is laid over the last day, with believable lengths."""

MISSPELL = """(() => {
  const editor = window.celestraEditor, lines = editor.getValue().replace("concurrencyLimit:", "concurencyLimit:").split("\\n");
  const at = lines.findIndex((line) => line.includes("concurencyLimit:"));
  lines.splice(at + 1, 0, "    ");
  editor.setValue(lines.join("\\n"), -1);
  editor.gotoLine(at + 2, 4);
  editor.scrollToLine(at - 8, false, false);
  editor.focus();
})()"""
COMPLETE = "window.celestraEditor.execCommand('startAutocomplete')"


@dataclass(frozen=True)
class Screen:
    """
    One page: the name of its file, its address below `/ui/` (`{name}` stands for an execution), and how it is looked at.

    `script` runs when `waits_for` is there, and `then` when `then_waits_for` is; `at_last` must be there before the picture.
    """

    name: str
    path: str
    waits_for: str = "main .card"
    script: str = ""
    then_waits_for: str = ""
    then: str = ""
    at_last: str = ""
    size: tuple[int, int] = DESK
    themes: tuple[str, ...] = THEMES


SCREENS = (
    # What still runs comes first.
    Screen("gantt", "{running}/gantt", ".g-body .g-row:nth-child(8)"),
    Screen("topology", "{running}/topology", ".topology .node"),
    Screen("dashboard", "", ".figures"),
    Screen("flows", "flows", "table.list tbody tr"),
    Screen("executions", "executions", "table.list tbody tr"),
    Screen(
        "editor",
        "flows/edit/analytics.reports/daily_revenue/edit",
        ".ace_line",
        MISSPELL,
        ".squiggle",
        COMPLETE,
        ".ace_autocomplete",
    ),
    Screen("logs", "logs?namespace=shop.orders", ".logs .l"),
    Screen("failure", "{failed}", ".failure"),
    Screen("execute", "flows/edit/shop.marketing/newsletter/execute", "form[data-main]"),
    Screen(
        "backfill",
        "triggers/shop.orders/reconcile_payments/every_evening/backfill?start=2026-01-01T00:00:00Z&end=2026-03-01T00:00:00Z",
        "#results .note",
    ),
    Screen("blueprint", "blueprints/choose_a_way", ".topology"),
    Screen("blueprints", "blueprints", "main a[href*='/ui/blueprints/']"),
    Screen("inbox", "inbox", "main .card"),
    Screen("flow", "flows/edit/analytics.warehouse/load_warehouse", ".topology"),
    Screen("workers", "system", "main .card"),
    Screen("failure-phone", "{failed}", ".failure", size=PHONE, themes=("light",)),
    Screen("gantt-phone", "{success}/gantt", ".g-body .g-row", size=PHONE, themes=("dark",)),
)


def fill_shop(system: SystemProcess) -> dict[str, str]:
    """Store the flows of a shop, run them often enough to have a history, and return the executions that pages are about."""
    for path in sorted(SHOP.glob("*.yaml")):
        send(system, "POST", "/flows", path.read_text())
    _run_history(system)
    found = {"success": start_execution(system, "analytics.reports/daily_revenue", "?labels=reason:morning")}
    wait_for_state(system, found["success"], *ENDED)
    first = start_execution(system, "shop.orders/reconcile_payments")
    wait_for_state(system, first, "SUCCESS")
    stricter = (SHOP / "reconcile_payments.yaml").read_text().replace("tolerance: 5", "tolerance: 2")
    send(system, "PUT", "/flows/shop.orders/reconcile_payments", stricter)
    found["failed"] = start_execution(system, "shop.orders/reconcile_payments", "?labels=reason:evening")
    wait_for_state(system, found["failed"], "FAILED")
    found["waits"] = start_execution(system, "finance/close_month")
    found["asks"] = start_execution(system, "shop.marketing/newsletter")
    found["backup"] = start_execution(system, "platform/back_up")
    wait_for_state(system, found["backup"], "RUNNING")
    found["queued"] = start_execution(system, "platform/back_up")
    for name in ("waits", "asks"):
        wait_for_state(system, found[name], "PAUSED")
    _lay_out(system, keep=[each.rpartition("/")[2] for each in (*found.values(), first)])
    return {name: f"executions/{each}" for name, each in found.items()}


def _run_history(system: SystemProcess) -> None:
    send(system, "POST", "/flows", (SHOP / "reconcile_payments.yaml").read_text().replace("reconcile_payments", "match_returns"))
    strict = (SHOP / "reconcile_payments.yaml").read_text().replace("reconcile_payments", "match_returns").replace(": 5", ": 1")
    started = []
    for number in range(48):
        shop = ("all", "de", "fr", "nl")[number % 4]
        started.append(start_execution(system, "shop.orders/import_orders", f"?labels=shop:{shop}"))
        if number % 3 == 0:
            started.append(start_execution(system, "shop.inventory/restock_forecast"))
        if number % 6 == 0:
            started.append(start_execution(system, "analytics.warehouse/load_warehouse"))
            started.append(start_execution(system, "shop.orders/match_returns"))
        if number == 36:
            send(system, "PUT", "/flows/shop.orders/match_returns", strict)
    for execution in started:
        wait_for_state(system, execution, *ENDED)


def _lay_out(system: SystemProcess, *, keep: list[str]) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", LAY_OUT % {"kept": keep}]
    subprocess.run(command, env=system.environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def start_report(system: SystemProcess) -> str:
    """Start a report that runs for some minutes, wait until it is at its last step, and return its path."""
    body = '--part\r\nContent-Disposition: form-data; name="pace"\r\n\r\n4\r\n--part--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=part"}
    started = send(system, "POST", "/executions/analytics.reports/daily_revenue?labels=reason:morning", body, **kind)
    execution = f"analytics.reports/daily_revenue/{started['id']}"

    def is_under_way() -> bool:
        runs = send(system, "GET", f"/executions/{execution.rpartition('/')[2]}").get("taskRunList") or []
        return any(run["taskId"] == "write_report" and _ran_for(run, 7) for run in runs)

    eventually(is_under_way, within=120, every=0.3)
    return f"executions/{execution}"


def _ran_for(run: Mapping[str, Any], seconds: float) -> bool:
    began = next((each["date"] for each in run["state"]["histories"] if each["state"] == "RUNNING"), None)
    return began is not None and datetime.now(UTC) - datetime.fromisoformat(began) > timedelta(seconds=seconds)


def take_screens(watched: Watched, paths: Mapping[str, str], folder: Path) -> list[str]:
    """Write every picture into the folder and return what went wrong, as lines to read."""
    faults = []
    for screen in SCREENS:
        for theme in screen.themes:
            name = screen.name + ("-dark" if theme == "dark" else "")
            try:
                watched.set_size(screen.size)
                watched.set_theme(theme)
                watched.open(screen.path.format(**paths))
                _settle(watched.page, screen)
                (folder / f"{name}.png").write_bytes(watched.page.screenshot(animations="disabled"))
            except Exception as error:  # noqa: BLE001 (one page must not cost the others)
                faults.append(f"{name}: {str(error).splitlines()[0]}")
            # Leaving the editor with unsaved text asks first.
            watched.page.evaluate("window.onbeforeunload = null")
    return faults


def _settle(page: Page, screen: Screen) -> None:
    expect(page.locator(screen.waits_for).first).to_be_visible(timeout=15_000)
    if screen.script:
        wait_for_editor(page)
        page.evaluate(screen.script)
        expect(page.locator(screen.then_waits_for).first).to_be_visible()
        page.evaluate(screen.then)
        expect(page.locator(screen.at_last).first).to_be_visible()
    page.evaluate(
        "() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 400))))"
    )


def _put_in_place(taken: Path, folder: Path, page: Page) -> None:
    """Replace the pictures of the folder by those that were taken; one that could not be taken stays as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in taken.glob("*.png"):
        (folder / path.name).write_bytes(shrink(path.read_bytes(), page, largest=LARGEST_BYTES))
    wanted = {screen.name + ("-dark" if theme == "dark" else "") for screen in SCREENS for theme in screen.themes}
    for path in folder.glob("*.png"):
        if path.stem not in wanted:
            path.unlink()


def main() -> int:
    """Start a system of its own, fill it and take the pictures."""
    browser_path = shutil.which("chromium")
    if browser_path is None:
        print("Install Debian's package chromium first.", file=sys.stderr)
        return 1
    # Room for the backup that holds one worker slot all the time.
    with started_system(within=120, CELESTRA_WORKER_CONCURRENCY="5") as system:
        paths = fill_shop(system)
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as taken:
            browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
            watched = watch(browser.new_context(reduced_motion="reduce"), system.base_url)
            watched.page.on("dialog", lambda dialog: dialog.accept())
            sign_in(watched, system)
            paths["running"] = start_report(system)
            faults = take_screens(watched, paths, Path(taken))
            _put_in_place(Path(taken), Path(os.environ.get("CELESTRA_SCREENS") or FOLDER), browser.new_page())
            browser.close()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
