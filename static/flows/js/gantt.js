// The Gantt: bars that move, a closer look at a part of the axis, rows that come while scrolling, folds by key.
import { serverNow, swap } from "./console.js";

const one = (selector, from = document) => from.querySelector(selector);
const gantt = () => one(".gantt");

// The axis of what runs has room for a while; when it is full a longer one is painted.
function moveBars() {
  const chart = one("[data-live-from]");
  if (!chart || document.hidden) return;
  const start = Date.parse(chart.dataset.liveFrom),
    span = Date.parse(chart.dataset.liveTo) - start,
    place = (moment) => (100 * (moment - start)) / span,
    reached = place(serverNow()),
    now = Math.min(100, reached);
  for (const bar of chart.querySelectorAll("[data-began]"))
    bar.setAttribute("width", `${Math.max(0.4, now - place(Date.parse(bar.dataset.began)))}%`);
  one(".g-now", chart)?.setAttribute("x", `${now}%`);
  // A little later, so that the server is past it, too.
  if (reached < 102 || chart.dataset.full) return;
  chart.dataset.full = "1";
  document.dispatchEvent(new Event("outgrown"));
}
setInterval(moveBars, 250);

async function look(changes) {
  const url = new URL(location);
  for (const [name, value] of Object.entries(changes))
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  history.replaceState(null, "", url);
  await swap(url, ["#results"]);
}

// A closer look: the address holds the part in milliseconds from the start.
const part = (chart, from, to) => {
  const offset = Number(chart.dataset.offset),
    span = Number(chart.dataset.span);
  const [first, last] = [from, to].map((share) => Math.max(0, Math.round(offset + span * share)));
  return last - first > 4 ? look({ span: `${first}-${last}`, cut: "" }) : null;
};
let from = null;
const share = (event, bar) => {
  const box = bar.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
};
document.addEventListener("pointerdown", (event) => {
  const bar = event.target.closest(".g-axis")?.querySelector(".g-bar");
  if (bar && event.button === 0) {
    from = share(event, bar);
    event.preventDefault();
  }
});
document.addEventListener("pointermove", (event) => {
  const bar = one(".g-axis .g-bar");
  if (from === null || !bar) return;
  const to = share(event, bar),
    drag = one(".g-drag");
  drag.setAttribute("x", `${Math.min(from, to) * 100}%`);
  drag.setAttribute("width", `${Math.abs(to - from) * 100}%`);
});
document.addEventListener("pointerup", (event) => {
  const bar = one(".g-axis .g-bar");
  if (from === null || !bar) return;
  const ends = [from, share(event, bar)].sort((a, b) => a - b);
  from = null;
  one(".g-drag").setAttribute("width", 0);
  if (ends[1] - ends[0] > 0.01) part(gantt(), ...ends);
});
document.addEventListener("dblclick", (event) => {
  if (event.target.closest(".g-axis")) look({ span: "" });
});
let wheel = 0;
document.addEventListener(
  "wheel",
  (event) => {
    const chart = event.target.closest(".gantt");
    if (!chart || !event.ctrlKey) return;
    event.preventDefault();
    if (Date.now() - wheel < 160) return;
    wheel = Date.now();
    const at = share(event, one(".g-axis .g-bar")),
      size = event.deltaY < 0 ? 0.6 : 1.7;
    part(chart, at - at * size, at + (1 - at) * size);
  },
  { passive: false },
);

// More rows while the reader scrolls to their end.
const seen = new IntersectionObserver(
  (found) => {
    const link = found.find((each) => each.isIntersecting)?.target;
    if (link) look({ rows: new URL(link.href).searchParams.get("rows") });
  },
  { rootMargin: "600px" },
);
const watch = () => document.querySelectorAll("[data-more]").forEach((link) => seen.observe(link));
document.addEventListener("parts", () => {
  watch();
  moveBars();
});
watch();

document.addEventListener("keydown", (event) => {
  const row = one(".g-row.is-at");
  if (!row || event.target.matches("input,select,textarea")) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const fold = one(".g-fold", row),
      opens = event.key === "ArrowRight";
    if (fold && fold.classList.contains("is-open") !== opens) fold.click();
    else if (opens) one("a[data-part]:not(.g-fold)", row)?.click();
  }
});
