"""The Gantt: nesting, folds, attempts, critical path, a closer look, the keyboard, and two thousand rows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NAMESPACE = "e2e.gantt"
CORE = "io.kestra.plugin.core"
SHAPES = f"""id: shapes
namespace: {NAMESPACE}
tasks:
  - id: outer
    type: {CORE}.flow.Parallel
    tasks:
      - id: slow
        type: {CORE}.flow.Sleep
        duration: PT1.2S
      - id: quick
        type: {CORE}.log.Log
        message: quick
  - id: many
    type: {CORE}.flow.ForEach
    values: "{{{{ range(1, 60) }}}}"
    concurrencyLimit: 0
    tasks:
      - id: item
        type: {CORE}.debug.Return
        format: "{{{{ taskrun.value }}}}"
  - id: shaky
    type: io.kestra.plugin.scripts.shell.Commands
    allowFailure: true
    retry:
      type: constant
      interval: PT0.3S
      maxAttempts: 3
    commands: [exit 4]
  - id: last
    type: {CORE}.log.Log
    message: done
"""
LARGE = f"""id: large
namespace: {NAMESPACE}
tasks:
  - id: many
    type: {CORE}.flow.ForEach
    values: "{{{{ range(1, 1000) }}}}"
    concurrencyLimit: 0
    tasks:
      - {{id: first, type: {CORE}.debug.Return, format: x}}
      - {{id: second, type: {CORE}.debug.Return, format: x}}
"""


@pytest.fixture(scope="module")
def shapes(running_system: SystemProcess) -> str:
    """An ended execution with a bit of everything."""
    send(running_system, "POST", "/flows", SHAPES)
    execution = start_execution(running_system, f"{NAMESPACE}/shapes")
    wait_for_state(running_system, execution, *ENDED)
    return execution


def _list_tasks(page: Page) -> list[str]:
    return page.locator(".g-body .g-name b").all_inner_texts()


def test_rows_are_nested_and_long_loops_fold(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    page = console.page
    depths = dict(zip(_list_tasks(page), page.locator(".g-body .g-name").evaluate_all(
        "nodes => nodes.map((node) => Number(/\\bi(\\d+)\\b/.exec(node.className)[1]))"
    ), strict=True))  # fmt: skip

    assert depths["outer"] == depths["many"] == depths["last"] == 0
    assert depths["slow"] == depths["quick"] == 1
    assert _list_tasks(page).count("item") <= 1
    expect(page.locator(".g-body")).to_contain_text("60")
    assert console.faults == []


def test_a_loop_is_unfolded_and_folded_again(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    page = console.page
    page.locator(".g-body a[data-part][href*='unfold=']:not(.g-fold)").first.click()
    eventually(lambda: _list_tasks(page).count("item") == 60)
    expect(page).to_have_url(re.compile("unfold="))
    page.reload()
    assert _list_tasks(page).count("item") == 60


def test_a_group_folds_by_the_keyboard(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    page = console.page
    page.keyboard.press("j")
    expect(page.locator(".g-row.is-at")).to_contain_text("outer")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".g-body .g-name b", has_text=re.compile("^slow$"))).to_have_count(0)
    page.locator(".g-body .g-row").first.evaluate("node => node.classList.add('is-at')")
    page.keyboard.press("ArrowRight")

    expect(page.locator(".g-body .g-name b", has_text=re.compile("^slow$"))).to_have_count(1)


def test_attempts_are_parts_of_the_bar(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    row = console.page.locator(".g-body .g-row", has_text="shaky")

    assert row.locator("rect.g-try").count() >= 2
    row.locator("a[data-drawer]").click()
    expect(console.page.locator(".drawer")).to_contain_text(re.compile("Attempt", re.IGNORECASE))


def test_the_critical_path_is_marked(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt?critical=1")
    page = console.page
    rows = page.locator(".g-row.is-critical .g-name b")
    expect(rows.first).to_be_visible()

    names = rows.all_inner_texts()
    assert "slow" in names and "quick" not in names


def test_filters_stand_in_the_address(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    page = console.page
    page.fill("main input[type=search]", "quick")
    eventually(lambda: _list_tasks(page) == ["quick"])
    expect(page).to_have_url(re.compile("q=quick"))
    page.fill("main input[type=search]", "there is none")
    expect(page.locator("#results")).to_contain_text("Nothing matches")
    page.fill("main input[type=search]", "")
    page.select_option("[name=sort]", "start")
    expect(page).to_have_url(re.compile("sort=start"))


def test_the_axis_is_dragged_and_set_back(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    page = console.page
    box = page.locator(".g-axis .g-bar").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.1, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, middle, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"span=\d+-\d+"))
    page.get_by_role("link", name="Whole time").click()

    expect(page).not_to_have_url(re.compile("span="))
    assert console.faults == []


def test_the_chart_is_also_a_table(console: Watched, shapes: str) -> None:
    console.open(f"executions/{shapes}/gantt")
    page = console.page
    page.get_by_role("link", name="Show as table").click()
    table = page.locator("table.list")
    expect(table).to_be_visible()
    expect(table.locator("tr", has_text="slow")).to_contain_text("SUCCESS")


def test_two_thousand_rows_come_in_parts(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/flows", LARGE)
    execution = start_execution(running_system, f"{NAMESPACE}/large")
    execution_id = execution.rpartition("/")[2]
    eventually(
        lambda: send(running_system, "GET", f"/executions/{execution_id}")["state"]["current"] in ENDED, within=200, every=1.0
    )
    page = console.page
    console.open(f"executions/{execution}/gantt?sort=start")
    rows = page.locator(".g-body .g-row")
    first = rows.count()
    assert 100 <= first <= 400
    page.locator("[data-more]").scroll_into_view_if_needed()
    eventually(lambda: rows.count() > first)

    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(rows.nth(first)).to_be_visible()
    assert console.faults == []
