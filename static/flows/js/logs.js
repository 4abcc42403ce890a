// A log as a window of lines, which never moves what is read.
import { load, openStream } from "./console.js";

const MOST_LINES = 3000,
  LOOK_BACK = 100;
const one = (selector, from = document) => from.querySelector(selector);
const panel = () => one(".logs[data-last-id]");
const number = (line) => Number(line.id.slice(1));
let follow = true,
  missed = 0,
  waiting = false,
  again = false,
  loading = false,
  top = 0;

function show() {
  const button = one("#log-follow"),
    box = panel();
  if (!button || !box?.dataset.followLogs) return;
  button.hidden = follow;
  button.textContent = missed ? `following paused, ${missed.toLocaleString("en")} new lines` : "following paused";
}
const toEnd = () => {
  const box = panel();
  if (box) {
    box.scrollTop = box.scrollHeight;
    top = box.scrollTop;
  }
};
const selects = () => {
  const held = getSelection();
  return held && !held.isCollapsed && panel()?.contains(held.anchorNode);
};

async function ask(changes) {
  const url = new URL(location);
  for (const name of ["line", "to", "at", "jump", "before", "from", "after"]) url.searchParams.delete(name);
  for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
  url.hash = "";
  const { ok, page } = await load(url);
  const box = ok && one(".logs[data-last-id]", page);
  return box
    ? {
        box,
        lines: [...box.children].filter((line) => (line.id && !document.getElementById(line.id)) || line.className === "l-gap"),
      }
    : null;
}
const adopt = (lines) => lines.map((line) => document.importNode(line, true));
function trim(box, atStart) {
  while (box.children.length > MOST_LINES) {
    const line = atStart ? box.firstElementChild : box.lastElementChild,
      height = atStart && !follow ? line.offsetHeight : 0;
    line.remove();
    if (atStart) {
      box.scrollTop -= height;
      box.dataset.firstId = number(box.firstElementChild);
    } else box.dataset.nextId = number(box.lastElementChild);
  }
}
const told = (box) => box.dispatchEvent(new Event("parts", { bubbles: true }));

async function more() {
  if (waiting) {
    again = true;
    return;
  }
  waiting = true;
  do {
    again = false;
    const box = panel();
    if (!box) break;
    // Several processes write, so numbers may come out of order: each look goes back a little.
    const found = await ask({ after: Math.max(0, Number(box.dataset.lastId || 0) - LOOK_BACK) });
    if (found?.lines.length) {
      box.dataset.lastId = Math.max(Number(box.dataset.lastId || 0), Number(found.box.dataset.lastId));
      if (box.dataset.nextId) missed += found.lines.length;
      else {
        one(".empty", box)?.remove();
        box.append(...adopt(found.lines));
        told(box);
        if (follow && !selects()) {
          trim(box, true);
          toEnd();
        } else {
          missed += found.lines.length;
          trim(box, false);
        }
      }
      show();
      if (found.lines.length >= 900) again = true;
    }
    await new Promise((done) => setTimeout(done, 200));
  } while (again);
  waiting = false;
}

async function neighbours(earlier) {
  const box = panel(),
    place = earlier ? box?.dataset.firstId : box?.dataset.nextId;
  if (!place || loading) return;
  loading = true;
  const found = await ask(earlier ? { before: place } : { from: place });
  if (found) {
    const height = box.scrollHeight,
      lines = adopt(found.lines.filter((line) => line.id));
    if (earlier) {
      box.prepend(...lines);
      box.dataset.firstId = found.box.dataset.firstId;
      box.scrollTop += box.scrollHeight - height;
      trim(box, false);
    } else {
      box.append(...lines);
      box.dataset.nextId = found.box.dataset.nextId;
      trim(box, true);
    }
    told(box);
  }
  loading = false;
}

function pause() {
  if (follow) {
    follow = false;
    show();
  }
}
document.addEventListener(
  "scroll",
  (event) => {
    const box = panel();
    if (event.target !== box) return;
    if (box.scrollTop < top - 2) pause();
    top = box.scrollTop;
    const left = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (left < 8 && !box.dataset.nextId && !follow) {
      follow = true;
      missed = 0;
      show();
    }
    if (box.scrollTop < 400) neighbours(true);
    if (left < 400) neighbours(false);
  },
  true,
);
document.addEventListener(
  "wheel",
  (event) => {
    if (event.deltaY < 0 && panel()?.contains(event.target)) pause();
  },
  { passive: true },
);
function resume() {
  follow = true;
  missed = 0;
  if (panel()?.dataset.nextId) one("[data-log-end]")?.click();
  else toEnd();
  show();
}

let first = 0;
function mark() {
  const box = panel(),
    from = Number(box?.dataset.marked),
    to = Number(box?.dataset.markedTo) || from;
  for (const line of box?.querySelectorAll(".l") || [])
    line.classList.toggle("is-marked", from > 0 && number(line) >= from && number(line) <= to);
}
let hit = -1;
document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  if (at("#log-follow")) resume();
  if (at("[data-wrap]")) {
    const off = document.body.classList.toggle("no-wrap");
    at("[data-wrap]").setAttribute("aria-pressed", !off);
    localStorage.setItem("wrap", off ? "off" : "on");
  }
  const step = Number(at("[data-hit]")?.dataset.hit);
  if (step) {
    const hits = [...document.querySelectorAll(".logs .l:has(mark)")];
    hit = hits.length ? (hit + step + hits.length) % hits.length : -1;
    hits[hit]?.scrollIntoView({ block: "center" });
    pause();
  }
  const line = at("time")?.closest(".logs[data-last-id] .l");
  if (!line) return;
  const id = number(line),
    range = event.shiftKey && first ? [Math.min(first, id), Math.max(first, id)] : [id, id];
  if (!event.shiftKey) first = id;
  [panel().dataset.marked, panel().dataset.markedTo] = range;
  mark();
  getSelection()?.removeAllRanges();
  const url = new URL(location);
  for (const name of ["jump", "at", "before", "from"]) url.searchParams.delete(name);
  url.searchParams.set("line", range[0]);
  if (range[1] > range[0]) url.searchParams.set("to", range[1]);
  else url.searchParams.delete("to");
  history.replaceState(null, "", url);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "End" && !event.target.matches("input,select,textarea")) {
    event.preventDefault();
    resume();
  }
  if (["PageUp", "ArrowUp", "Home"].includes(event.key)) pause();
});

function begin() {
  const box = panel();
  if (!box) return;
  const marked = document.getElementById(`l${box.dataset.marked}`);
  mark();
  if (marked) {
    pause();
    marked.scrollIntoView({ block: "center" });
  } else if (box.dataset.nextId) {
    pause();
    box.scrollTop = 0;
  } else {
    follow = true;
    toEnd();
  }
  top = box.scrollTop;
  show();
}
if (localStorage.getItem("wrap") === "off") document.body.classList.add("no-wrap");
document.addEventListener("parts", (event) => {
  if (event.target.id === "results") begin();
});
begin();
if (panel()?.dataset.followLogs) openStream(panel().dataset.followLogs, more, more);
