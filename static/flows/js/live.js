// Keeps the page of an execution up to date. The stream only rings: what changed is asked for as parts of the same page.
import { load } from "./parts.js";

const PARTS = ["#live-head", "#live-body"];
const GATHER_MS = 120;
const STALL_MS = 5000;

export function startLive({ replaceParts }) {
  const place = document.querySelector("[data-follow]");
  if (place) followExecution(place, replaceParts);
  for (const list of document.querySelectorAll("[data-poll]")) poll(list, replaceParts);
}

function setMark(kind, text) {
  const mark = document.querySelector(".live");
  if (!mark) return;
  mark.className = `live ${kind}`;
  mark.textContent = text;
}

export function openStream(url, ring, ended) {
  let source, closed = false, lostAt = 0, timer;
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => { lostAt = 0; clearTimeout(timer); setMark("is-on", "live"); };
    source.onmessage = (event) => {
      if (event.lastEventId === "end") { closed = true; source.close(); ended(); } else ring(event);
    };
    source.onerror = () => {
      if (closed) return;
      lostAt ||= Date.now();
      timer = setTimeout(() => {
        const seconds = (Date.now() - lostAt) / 1000;
        setMark("is-lost", seconds > 14 ? `paused – showing the state of ${new Date(lostAt).toLocaleTimeString("en-GB")}` : "reconnecting");
      }, 3000);
      if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000);
    };
  };
  open();
  // Browsers allow six connections to one host: a hidden page gives its own back.
  let hiddenTimer;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => source.close(), 30000);
    else if (source.readyState === EventSource.CLOSED && !closed) open();
  });
}

function followExecution(place, replaceParts) {
  let waiting = false, again = false, ended = false, askedAt = 0;
  const refresh = async () => {
    if (waiting) { again = true; return; }
    waiting = true;
    // The first change is shown at once; those that follow closely are gathered.
    do {
      await new Promise((done) => setTimeout(done, Math.max(0, askedAt + GATHER_MS - Date.now())));
      again = false;
      askedAt = Date.now();
      const { ok, page } = await load(location.href);
      if (ok && !document.querySelector("dialog[open]")) {
        replaceParts(page, PARTS);
        ended = !page.querySelector("[data-follow]");
      }
    } while (again);
    waiting = false;
  };
  // A stream may stall without telling; the page must not.
  setInterval(() => { if (!ended && !document.hidden && Date.now() - askedAt > STALL_MS) refresh(); }, 1000);
  openStream(place.dataset.follow, refresh, async () => { await refresh(); setMark("", "ended"); });
}

function poll(list, replaceParts) {
  setInterval(async () => {
    if (document.hidden || list.querySelector(":hover, .tick:checked") || document.querySelector("dialog[open], details[open]")) return;
    const { ok, page } = await load(location.href);
    if (ok) replaceParts(page, [`#${list.dataset.poll}`]);
  }, Number(list.dataset.every || 4) * 1000);
}
