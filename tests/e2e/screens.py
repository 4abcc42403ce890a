"""
The pictures of the documentation: `python -m tests.e2e.screens` starts a system, fills it and writes docs/screens/*.png.

Run it after a change of the pages and look at every picture before it is committed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.browsing import DESK, PHONE, Watched, sign_in, watch
from tests.e2e.conftest import FLAGS
from tests.e2e.seeding import Seeded, seed, start_execution, wait_for_state
from tests.support.system_process import SystemProcess
from tests.support.systems import make_home_folder

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screens"
LAY_OUT = """
from datetime import timedelta
from flows.models import Execution
ended = list(Execution.objects.exclude(ended_at=None).order_by("-created_at", "id"))
for number, row in enumerate(ended[:-8]):
    back = timedelta(minutes=(number * 97) % 1380)
    Execution.objects.filter(pk=row.pk).update(created_at=row.created_at - back, ended_at=row.ended_at - back)
"""
PROBLEM = """(() => {
  const editor = window.celestraEditor;
  editor.setValue(editor.getValue().replace("concurrencyLimit:", "concurencyLimit:"), -1);
  editor.gotoLine(editor.getValue().split("\\n").findIndex((line) => line.includes("concurencyLimit")) + 1);
})()"""


@dataclass(frozen=True)
class Screen:
    """One picture: its file, the page below `/ui/` (`{name}` stands for a seeded execution), and how it is looked at."""

    name: str
    path: str
    theme: str = "light"
    size: tuple[int, int] = DESK
    waits_for: str = "main"
    script: str = ""
    then_waits_for: str = ""


SCREENS = (
    Screen("dashboard", ""),
    Screen("dashboard-dark", "", "dark"),
    Screen("flows", "flows"),
    Screen("executions", "executions"),
    Screen("execute", "flows/edit/company.finance/invoice_form/execute"),
    Screen(
        "editor", "flows/edit/company.sales/daily_revenue/edit", waits_for=".ace_line", script=PROBLEM, then_waits_for=".squiggle"
    ),
    Screen("editor-dark", "flows/edit/company.sales/daily_revenue/edit", "dark", waits_for=".ace_line"),
    Screen("gantt", "{success}/gantt"),
    Screen("gantt-phone-dark", "{success}/gantt", "dark", PHONE),
    Screen("topology-dark", "{success}/topology", "dark"),
    Screen("logs", "{success}/logs"),
    Screen("outputs", "{success}/outputs"),
    Screen("failure", "{failed}"),
    Screen("failure-dark", "{failed}", "dark"),
    Screen("failure-phone", "{failed}", size=PHONE),
    Screen("blueprints", "blueprints"),
    Screen("blueprint-dark", "blueprints/choose_a_way", "dark"),
    Screen("backfill", "triggers/company.platform/tidy_up/weekly/backfill?start=2025-01-01T00:00:00Z&end=2025-04-01T00:00:00Z"),
    Screen("users", "users"),
)


def take_screens(watched: Watched, seeded: Seeded, folder: Path) -> None:
    """Write every picture into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    page = watched.page
    paths = {name: seeded.path_of(name) for name in seeded.executions}
    for screen in SCREENS:
        watched.set_size(screen.size)
        watched.set_theme(screen.theme)
        watched.open(screen.path.format(**paths))
        _settle(page, screen)
        page.screenshot(path=folder / f"{screen.name}.png", animations="disabled")


def _settle(page: Page, screen: Screen) -> None:
    expect(page.locator(screen.waits_for).first).to_be_visible()
    if screen.script:
        page.evaluate(screen.script)
        expect(page.locator(screen.then_waits_for).first).to_be_visible()
    page.evaluate(
        "() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200))))"
    )


def run_history(system: SystemProcess) -> None:
    """Run the quick flows some more times and lay what has ended over the last day, so that figures have something to show."""
    last = ""
    for number in range(24):
        start_execution(system, "company.sales/notify", f"?labels=shift:{'early' if number % 2 else 'late'}")
        start_execution(system, "company.platform/tidy_up")
        if number % 6 == 0:
            start_execution(system, "company.sales/load_warehouse")
            last = start_execution(system, "company.sales/daily_revenue")
    wait_for_state(system, last, "SUCCESS")
    # The one thing that cannot be had through the API: a past.
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", LAY_OUT]
    subprocess.run(command, env=system.environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Start a system of its own, fill it and take the pictures."""
    folder = make_home_folder()
    system = SystemProcess(folder / "home")
    path = shutil.which("chromium")
    if path is None:
        print("Install Debian's package chromium first.", file=sys.stderr)
        return 1
    try:
        system.start().wait_ready(120)
        seeded = seed(system)
        run_history(system)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            watched = watch(browser.new_context(reduced_motion="reduce"), system.base_url)
            sign_in(watched, system)
            take_screens(watched, seeded, Path(os.environ.get("CELESTRA_SCREENS") or FOLDER))
            browser.close()
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
