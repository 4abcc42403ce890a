// What people do with a log beside reading it: links to lines, steps from hit to hit, jumps to a time.
import { writeMoment, zoneShift } from "./console.js";
import { address, jump, mark, number, one, panel, pause, showWrap } from "./logs.js";

let first = 0;
function choose(line, isRange) {
  const id = number(line),
    range = isRange && first ? [Math.min(first, id), Math.max(first, id)] : [id, id];
  if (!isRange) first = id;
  [panel().dataset.marked, panel().dataset.markedThrough] = range;
  mark();
  getSelection()?.removeAllRanges();
  history.replaceState(null, "", address(range[1] > range[0] ? { line: range[0], through: range[1] } : { line: range[0] }));
}
let hit = null;
function stepHit(step) {
  const hits = [...document.querySelectorAll(".logs .l:has(mark)")],
    at = hit?.isConnected ? hits.indexOf(hit) : step > 0 ? -1 : hits.length;
  const next = hits[at + step];
  pause();
  if (next) {
    hit?.classList.remove("is-hit");
    hit = next;
    hit.classList.add("is-hit");
    hit.scrollIntoView({ block: "center" });
  } else if (hits.length && (step > 0 ? panel()?.dataset.nextId : panel()?.dataset.firstId))
    jump({ jump: step > 0 ? "next" : "previous", line: number(hits[step > 0 ? hits.length - 1 : 0]) });
  else if (hits.length) {
    hit?.classList.remove("is-hit");
    hit = null;
    stepHit(step);
  }
}

export function act(event) {
  const at = (selector) => event.target.closest(selector);
  const opener = at("[data-open-all]");
  if (opener) {
    const open = opener.getAttribute("aria-pressed") !== "true";
    opener.setAttribute("aria-pressed", open);
    pause();
    for (const each of panel().querySelectorAll(".l-open")) each.open = open;
  }
  if (at("[data-wrap]")) {
    localStorage.setItem("wrap", document.body.classList.toggle("no-wrap") ? "off" : "on");
    showWrap();
  }
  const step = Number(at("[data-hit]")?.dataset.hit);
  if (step) stepHit(step);
  const line = at("time")?.closest(".logs[data-last-id] .l");
  if (line) choose(line, event.shiftKey);
}
// The form comes into view together with this file.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-log-at]")) return;
  event.preventDefault();
  goToTime(event.target);
});
function goToTime(form) {
  const text = form.at.value;
  const wall = new Date(`${text}Z`);
  jump({ at: new Date(wall - zoneShift(wall)).toISOString() });
}
// The time that is proposed is the one of the first line that is to be seen.
export function offerTime(form) {
  const box = panel().getBoundingClientRect(),
    seen = document.elementFromPoint(box.left + 30, box.top + 12)?.closest(".l"),
    at = new Date(one("time", seen || panel())?.dateTime || Date.now());
  form.at.value = new Date(+at + zoneShift(at)).toISOString().slice(0, 19);
  form.at.focus();
}
// The whole moment of a line, for those whose pointer rests on its time.
document.addEventListener("pointerover", (event) => {
  const time = event.target.closest?.(".l time:not([title])");
  if (time) time.title = `${writeMoment(new Date(time.dateTime))} · ${time.dateTime.slice(0, 23).replace("T", " ")} UTC`;
});
