// A log as a window of lines, which never moves what is read. New lines come as markup and are put in between two frames.
import { showClock, swap } from "./console.js";
import { openStream, setMark } from "./stream.js";

const MOST_LINES = 2300,
  CHUNK = 200;
const PLACES = ["line", "through", "at", "jump", "before", "later"];
const on = document.addEventListener.bind(document);
export const one = (selector, from = document) => from.querySelector(selector);
export const panel = () => one(".logs[data-last-id]");
export const number = (line) => Number(line.id.slice(1));
let follow = true,
  missed = 0,
  lines = 0,
  lastId = 0,
  top = 0,
  loading = false,
  queue = [],
  queued = 0,
  frame = 0,
  closeStream = null;

function show() {
  const button = one("#log-follow"),
    box = panel();
  if (!button || !box) return;
  button.hidden = follow || !(box.dataset.live || box.dataset.nextId);
  button.textContent = missed
    ? `following paused, ${missed.toLocaleString("en")} new line${missed === 1 ? "" : "s"}`
    : "following paused";
}
function toEnd() {
  const box = panel();
  if (!box) return;
  // More than there is: the browser stops at the end without a question about sizes.
  box.scrollTop = 1e9;
  top = box.scrollTop;
}
function selects() {
  const held = getSelection();
  return held && !held.isCollapsed && panel()?.contains(held.anchorNode);
}
export function address(changes) {
  const url = new URL(location);
  for (const name of PLACES) url.searchParams.delete(name);
  if (/^\d+$/.test(url.searchParams.get("to") || "")) url.searchParams.delete("to");
  for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
  url.hash = "";
  return url;
}
export async function jump(changes) {
  const url = address(changes);
  if (await swap(url, ["#results"])) history.replaceState(null, "", url);
}
export async function ask(changes) {
  const answer = await fetch(address(changes), { headers: { "X-Fragment": "lines" } }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

// Markup of the server as lines that are not here yet, with the times of the reader.
export function build(html) {
  const found = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const fresh = found.filter((line) => !line.id || !document.getElementById(line.id));
  for (const line of fresh) for (const time of line.getElementsByTagName("time")) showClock(time);
  lines += fresh.length;
  return fresh;
}
export function put(box, fresh) {
  let chunk = box.lastElementChild;
  if (chunk?.className !== "l-chunk" || chunk.childElementCount + fresh.length > CHUNK) {
    chunk = document.createElement("div");
    chunk.className = "l-chunk";
    box.append(chunk);
  }
  chunk.append(...fresh);
  // What a browser takes for the height of a chunk that it never painted.
  chunk.style.containIntrinsicHeight = `auto ${20 * chunk.childElementCount}px`;
}
function putGap(box, { count, after }) {
  const row = document.createElement("div"),
    link = document.createElement("a");
  row.className = "l-gap";
  link.dataset.later = after;
  link.href = address({ later: after });
  link.textContent = `${count.toLocaleString("en")} lines skipped here – load`;
  row.append(link);
  box.append(row);
}
export function trim(box, atStart) {
  if (lines <= MOST_LINES) return;
  while (lines > MOST_LINES && box.children.length > 1) {
    const chunk = atStart ? box.firstElementChild : box.lastElementChild;
    lines -= chunk.getElementsByClassName("l").length;
    chunk.remove();
  }
  if (atStart) box.dataset.firstId = Math.min(...idsOf(one(".l-chunk", box)));
  else box.dataset.nextId = lastShown(box);
}

function paint() {
  frame = 0;
  const box = panel();
  if (!box) {
    queue = [];
    queued = 0;
    return;
  }
  // One part of 50 lines between two frames, more only while many wait.
  const still = !follow || selects();
  let room = Math.ceil(queued / 600) || 1;
  one(".empty", box)?.remove();
  while (queue.length && room > 0) {
    room -= 1;
    const [count, html, gap] = queue.shift();
    queued -= count;
    if (still && !box.dataset.nextId && lines + count > MOST_LINES) box.dataset.nextId = lastShown(box);
    if (still) missed += gap ? gap.count : count;
    if (box.dataset.nextId) continue;
    if (gap) putGap(box, gap);
    else put(box, build(html));
  }
  if (!still) {
    trim(box, true);
    toEnd();
  }
  show();
  if (queue.length) frame = requestAnimationFrame(paint);
}
const idsOf = (chunk) => [...(chunk?.getElementsByClassName("l") || [])].map(number);
const lastShown = (box) => Math.max(0, ...idsOf([...box.getElementsByClassName("l-chunk")].pop()));
function receive(parts) {
  for (const part of parts) {
    queue.push(part);
    queued += part[0];
  }
  // A page that was hidden, or is slower than the log, shows the newest.
  let dropped = 0;
  while (queued > MOST_LINES) {
    const [count, , gap] = queue.shift();
    queued -= count;
    dropped += gap ? gap.count : count;
  }
  if (dropped) queue.unshift([0, "", { count: dropped, after: lastShown(panel()) }]);
  frame ||= requestAnimationFrame(paint);
}

// What the reader sees now counts as the place; lines that were only counted are here once the window is at the end.
export function settle() {
  const box = panel();
  if (!box.dataset.nextId) missed = 0;
  top = box.scrollTop;
  show();
}
async function neighbours(earlier) {
  const box = panel();
  if (loading || !(earlier ? box?.dataset.firstId : box?.dataset.nextId)) return;
  loading = true;
  await (await import("./log_neighbours.js")).putNeighbours(box, earlier).finally(() => (loading = false));
}

export function pause() {
  if (!follow) return;
  follow = false;
  missed = 0;
  show();
}
function resume() {
  follow = true;
  missed = 0;
  if (panel()?.dataset.nextId) jump({});
  else toEnd();
  show();
}
on(
  "scroll",
  (event) => {
    const box = panel();
    if (event.target !== box) return;
    const left = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (box.scrollTop < top - 2 && left > 8) pause();
    top = box.scrollTop;
    if (left < 8 && !box.dataset.nextId && !follow) resume();
    if (box.scrollTop < 400) neighbours(true);
    if (left < 400) neighbours(false);
  },
  true,
);
on(
  "wheel",
  (event) => {
    const box = panel();
    if (event.deltaY < 0 && box?.contains(event.target) && box.scrollHeight > box.clientHeight) pause();
  },
  { passive: true },
);

export function mark() {
  const box = panel(),
    from = Number(box?.dataset.marked),
    through = Number(box?.dataset.markedThrough) || from;
  for (const line of box?.getElementsByClassName("l") || [])
    line.classList.toggle("is-marked", from > 0 && number(line) >= from && number(line) <= through);
}
on("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  if (at("#log-follow")) resume();
  const gap = at("a[data-later]");
  if (gap) {
    event.preventDefault();
    jump({ later: gap.dataset.later });
  }
  if (at(".log-card :is(.l time, [data-hit], [data-open-all], [data-wrap])")) import("./log_tools.js").then(({ act }) => act(event));
});
on(
  "toggle",
  (event) => {
    const form = event.target.open && one("[data-log-at]", event.target);
    if (form) import("./log_tools.js").then(({ offerTime }) => offerTime(form));
  },
  true,
);
on("keydown", (event) => {
  if (event.target.matches("input,select,textarea")) return;
  if (event.key === "End") {
    event.preventDefault();
    resume();
  }
  if (["PageUp", "ArrowUp", "Home"].includes(event.key) && panel()?.contains(event.target)) pause();
});

const showHead = () => {
  // Not the question that somebody is answering.
  const parts = ["#live-acts", "#live-head", ...(one("dialog[open]") ? [] : ["#live-dialogs"])];
  return swap(location.href, parts, { headers: { "X-Fragment": "head" } });
};
function follows() {
  const box = panel(),
    live = box?.dataset.live || "";
  closeStream?.();
  closeStream = null;
  if (!live) return;
  const told = (event) => JSON.parse(event.data);
  closeStream = openStream(() => `${live}&after=${lastId}`, {
    lines(event) {
      const { parts, last } = told(event);
      lastId = Math.max(lastId, last);
      receive(parts);
    },
    gap: (event) => receive([[0, "", told(event)]]),
    changed: showHead,
    alive() {},
    async end() {
      await showHead();
      setMark("", "ended");
      if (panel()) panel().dataset.live = "";
      show();
    },
    async ask() {
      const found = await ask({ later: lastId });
      if (!found) return;
      lastId = Math.max(lastId, found.last);
      receive(found.parts);
    },
  });
}
export function showWrap() {
  const off = localStorage.getItem("wrap") === "off";
  document.body.classList.toggle("no-wrap", off);
  one("[data-wrap]")?.setAttribute("aria-pressed", !off);
}
function begin() {
  showWrap();
  cancelAnimationFrame(frame);
  queue = [];
  queued = frame = missed = 0;
  const box = panel();
  if (box) {
    lines = box.getElementsByClassName("l").length;
    lastId = Number(box.dataset.lastId) || 0;
    mark();
    const marked = document.getElementById(`l${box.dataset.marked}`);
    follow = !marked && !box.dataset.nextId;
    if (marked) marked.scrollIntoView({ block: "center" });
    else if (follow) toEnd();
    else box.scrollTop = 0;
    top = box.scrollTop;
  }
  follows();
  show();
}
on("parts", (event) => {
  if (event.target.id === "results") begin();
});
begin();
if (localStorage.getItem("announce") === "on") import("./announce.js");
