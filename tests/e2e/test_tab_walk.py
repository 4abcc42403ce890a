"""The main pages by the Tab key alone: everything is reached in the order of the page, and the focus is always seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.browsing import PHONE, Watched
from tests.e2e.seeding import Seeded

pytestmark = pytest.mark.e2e

MOST_STEPS = 90
# What a person sees of the focus: an outline or a ring that the element does not have without it, inside the window.
LOOK = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const outer = node.closest(".ace_editor") ? node.closest(".ace_editor") : node;
  const shown = (each, onlyOutline) => {
    const style = getComputedStyle(each);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) || (!onlyOutline && style.boxShadow !== "none");
  };
  // Cards show the focus of their link around themselves, drawings in their strokes.
  const isAround = (each) => each && each !== document.body && (shown(each, true) || isAround(each.parentElement));
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = "var(--accent)";
  const accent = getComputedStyle(probe).color;
  probe.remove();
  const isDrawn = (each) => getComputedStyle(each).stroke === accent && parseFloat(getComputedStyle(each).strokeWidth) >= 2;
  const parts = [...outer.querySelectorAll("*")];
  const box = outer.getBoundingClientRect();
  window.walked ??= new Map();
  const seen = window.walked.has(node);
  window.walked.set(node, true);
  return {
    seen,
    text: `<${node.tagName.toLowerCase()} ${node.getAttribute("class") ?? ""}> ${(node.textContent || "").trim().slice(0, 30)}`,
    isShown: shown(outer) || parts.slice(0, 12).some((each) => shown(each)) || shown(outer.parentElement) ||
      isAround(outer.parentElement) || (node.closest("svg") && parts.some(isDrawn)),
    isInside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth && box.width > 0,
    leads: node.matches(".skip"),
    positive: node.tabIndex > 0,
    region: node.closest("nav.nav") ? "nav" : node.closest("header.top") ? "header" : node.closest("main") ? "main" : "other",
  };
}"""
PAGES = (
    "", "flows", "executions", "logs", "triggers", "namespaces", "inbox", "blueprints", "plugins", "settings", "system",
    "flows/edit/company.sales/daily_revenue", "flows/edit/company.finance/invoice_form/execute",
    "flows/edit/company.platform/tidy_up/revisions", "namespaces/company.sales/kv",
    "{success}", "{success}/gantt", "{success}/topology", "{success}/logs", "{success}/outputs",
)  # fmt: skip


def _walk(console: Watched) -> list[dict[str, Any]]:
    steps = []
    for _ in range(MOST_STEPS):
        console.page.keyboard.press("Tab")
        step = console.page.evaluate(LOOK)
        if step is None or step["seen"]:
            break
        steps.append(step)
    return steps


@pytest.mark.parametrize("path", PAGES)
def test_the_focus_is_seen_and_keeps_the_order_of_the_page(console: Watched, seeded: Seeded, path: str) -> None:
    console.open(path.format(success=seeded.path_of("success")))
    steps = _walk(console)

    assert len(steps) > 15
    assert steps[0]["leads"], "the first stop is the link to the content"
    assert [step["text"] for step in steps if not step["isShown"]] == []
    assert [step["text"] for step in steps if not step["isInside"]] == []
    assert [step["text"] for step in steps if step["positive"]] == []
    regions = [step["region"] for step in steps if step["region"] != "other"]
    assert regions == sorted(regions, key=["nav", "header", "main"].index)
    assert console.faults == []


def test_the_skip_link_leads_to_the_content(console: Watched) -> None:
    console.open("executions")
    console.page.keyboard.press("Tab")
    console.page.keyboard.press("Enter")
    console.page.keyboard.press("Tab")

    assert console.page.evaluate("!!document.activeElement.closest('main')")


def test_the_navigation_opens_on_a_phone_by_keys(console: Watched) -> None:
    console.set_size(PHONE)
    console.open("flows")
    page = console.page
    page.locator("[data-nav-toggle]").focus()
    page.keyboard.press("Enter")

    entry = page.locator("nav.nav a.entry", has_text="Executions")
    entry.focus()
    box = entry.bounding_box()
    assert box is not None and 0 <= box["x"] < PHONE[0]
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/executions")


def test_escape_and_tab_leave_the_editor(console: Watched, seeded: Seeded) -> None:
    console.open("flows/edit/company.sales/daily_revenue/edit")
    page = console.page
    page.locator(".ace_content").first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")

    assert not page.evaluate("!!document.activeElement.closest('.ace_editor .ace_text-input, .ace_text-input')")
