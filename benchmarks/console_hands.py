"""What a person feels under the hands: first paint, typing in the editor, scrolling a Gantt chart, moving a large picture."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import Browser, Page

from benchmarks.console_live import NAMESPACE
from benchmarks.figures import Figure, percentile, report_figure
from benchmarks.measured_browser import sign_in
from benchmarks.measured_system import API, MeasuredSystem
from tests.support.waiting import eventually

PAINTED = ("dashboard", "executions", "flows", "execution")
_KEYS = 80
_OPENINGS = 5
_CHECKS = 20
_FRAMES = 60

_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_READY = """() => new Promise((done) => { const look = () => document.activeElement?.classList.contains("ace_text-input")
  ? done(performance.now()) : setTimeout(look, 5); look(); })"""
# A message channel's turn comes after the frame was painted.
_WATCH_KEYS = """() => { window.delays = [];
  addEventListener("keydown", (event) => { const began = event.timeStamp; requestAnimationFrame(() => {
    const channel = new MessageChannel(); channel.port1.onmessage = () => delays.push(performance.now() - began);
    channel.port2.postMessage(0); }); }, true); }"""
_CHECK = """async ([source, count]) => { const token = document.querySelector("meta[name=csrf-token]").content; const times = [];
  for (let run = 0; run < count; run += 1) { const began = performance.now();
    const answer = await fetch("/ui/flows/check", { method: "POST", body: `${source}# ${run}\\n`,
      headers: { "X-CSRFToken": token, "X-Fragment": "1", "Content-Type": "text/plain" } });
    const found = await answer.json(); if (!found.picture) throw new Error(JSON.stringify(found).slice(0, 300));
    times.push(performance.now() - began); }
  return times; }"""
_SCROLL = """async (count) => { const frame = () => new Promise((done) => requestAnimationFrame(done)); const lengths = [];
  for (let step = 0; step < count; step += 1) { const began = performance.now(); scrollTo(0, step * 120); await frame();
    lengths.push(performance.now() - began); }
  return lengths; }"""
_ZOOM = """async (count) => { const frame = () => new Promise((done) => requestAnimationFrame(done)); const lengths = [];
  const box = document.querySelector("#live-body"); const buttons = ["in", "out"].map((one) =>
    document.querySelector(`[data-zoom=${one}]`));
  for (let step = 0; step < count; step += 1) { const began = performance.now();
    if (step % 3) box.scrollBy(40, 60); else buttons[(step / 3) % 2].click();
    await frame(); lengths.push(performance.now() - began); }
  return lengths; }"""


def make_flow(flow_id: str, *, lines: int) -> str:
    """Return a valid flow of about that many lines, every fourth task with an expression."""
    head = f"id: {flow_id}\nnamespace: {NAMESPACE}\ntasks:\n"
    task = "  - id: task{n}\n    type: io.kestra.plugin.core.log.Log\n    # what it says\n    message: {words}\n"
    count = (lines - 3) // 4
    return head + "".join(
        task.format(n=number, words='"{{ flow.id }} has come here"' if number % 4 == 0 else f"step {number}")
        for number in range(count)
    )


def run_picture(measured: MeasuredSystem) -> str:
    """Run a flow of 500 tasks to its end, and return the address of its picture."""
    measured.save_flow(make_flow("picture", lines=2_003))
    status, execution = measured.system.call("POST", f"{API}/executions/{NAMESPACE}/picture")
    assert status == 200, execution
    eventually(lambda: measured.find_end_state(execution["id"]) is not None, within=120)
    return f"/ui/executions/{NAMESPACE}/picture/{execution['id']}/topology"


def measure_hands(
    browser: Browser, measured: MeasuredSystem, pages: Mapping[str, str], *, large: str, picture: str
) -> list[Figure]:
    """
    Return what typing, scrolling and waiting for a first paint cost.

    Args:
        pages: addresses by name, `PAINTED` among them.
        large: address of the Gantt chart of a large execution.
        picture: address of the picture of 500 nodes.
    """
    figures = _measure_paint(browser, measured, pages)
    long = make_flow("long", lines=2_000)
    measured.save_flow(long)
    page = sign_in(browser, measured.system)
    figures += _measure_editor(page, measured, long)
    page.goto(measured.system.base_url + large)
    page.locator("[data-more]").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    lengths = page.evaluate(_SCROLL, _FRAMES)
    figures.append(report_figure("Gantt of 2,000 rows: frame while scrolling", "ms p95", percentile(lengths, 0.95), 50))
    figures.append(_measure_topology(page, measured.system.base_url + picture))
    page.context.close()
    return figures


def _measure_paint(browser: Browser, measured: MeasuredSystem, pages: Mapping[str, str]) -> list[Figure]:
    state = sign_in(browser, measured.system).context.storage_state()
    figures = []
    for name in PAINTED:
        paints = []
        for _ in range(_OPENINGS):
            context = browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.goto(measured.system.base_url + pages[name], wait_until="load")
            eventually(lambda page=page: page.evaluate(_FIRST_PAINT) > 0)
            paints.append(page.evaluate(_FIRST_PAINT))
            context.close()
        note = f"worst of {_OPENINGS}: {max(paints):.0f}"
        figures.append(report_figure(f"{name}: first paint, cold", "ms", percentile(paints, 0.5), 600, note=note))
    ready = []
    for _ in range(_OPENINGS):
        context = browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(measured.system.base_url + pages["editor"], wait_until="commit")
        ready.append(page.evaluate(_READY))
        context.close()
    note = f"worst of {_OPENINGS}: {max(ready):.0f}"
    figures.append(report_figure("editor: ready for typing, cold", "ms", percentile(ready, 0.5), 1000, note=note))
    return figures


def _measure_editor(page: Page, measured: MeasuredSystem, source: str) -> list[Figure]:
    page.goto(f"{measured.system.base_url}/ui/flows/edit/{NAMESPACE}/long/edit?line=1000")
    page.evaluate(_READY)
    page.wait_for_timeout(2000)
    page.keyboard.press("End")
    page.evaluate(_WATCH_KEYS)
    # Quicker than most people type, with a pause at every tenth key in which the text is checked.
    for number in range(_KEYS):
        page.keyboard.press("abcdefghij"[number % 10])
        page.wait_for_timeout(900 if number % 10 == 9 else 90)
    delays = page.evaluate("delays")
    note = f"median {percentile(delays, 0.5):.0f}, {len(delays)} keys"
    figures = [report_figure("editor of 2,000 lines: key to paint", "ms p95", percentile(delays, 0.95), 50, note=note)]
    for lines, target in ((150, 40), (2_000, 250)):
        times = page.evaluate(_CHECK, [make_flow("checked", lines=lines) if lines != 2_000 else source, _CHECKS])
        note = f"median {percentile(times, 0.5):.0f}"
        figures.append(report_figure(f"check and draw {lines:,} lines", "ms p95", percentile(times, 0.95), target, note=note))
    return figures


def _measure_topology(page: Page, address: str) -> Figure:
    page.goto(address, wait_until="load")
    page.wait_for_timeout(1000)
    count = page.locator(".topology .node").count()
    assert count >= 500, f"the picture has {count} nodes"
    lengths = page.evaluate(_ZOOM, _FRAMES)
    return report_figure("topology of 500 nodes: frame of zoom and pan", "ms p95", percentile(lengths, 0.95), 50)
