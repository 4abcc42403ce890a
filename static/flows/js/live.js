// Keeps the page of an execution up to date. The stream only rings: what changed is asked for as parts of the same page.
import { load } from "./parts.js";

const PARTS = ["#live-head", "#live-body"];
const GATHER_MS = 120;
const STALL_MS = 5000;

export function startLive({ serverNow, replaceParts }) {
  const place = document.querySelector("[data-follow]");
  if (place) followExecution(place, serverNow, replaceParts);
  const logs = document.querySelector(".logs[data-follow-logs]");
  if (logs) followLogs(logs);
  for (const list of document.querySelectorAll("[data-poll]")) poll(list, replaceParts);
  moveBars(serverNow);
}

function setMark(kind, text) {
  const mark = document.querySelector(".live");
  if (!mark) return;
  mark.className = `live ${kind}`;
  mark.textContent = text;
}

function openStream(url, ring, ended) {
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

function followExecution(place, serverNow, replaceParts) {
  let waiting = false, again = false, ended = false, askedAt = Date.now();
  const refresh = async () => {
    if (waiting) { again = true; return; }
    waiting = true;
    askedAt = Date.now();
    await new Promise((done) => setTimeout(done, GATHER_MS));
    do {
      again = false;
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

function moveBars(serverNow) {
  setInterval(() => {
    const gantt = document.querySelector("[data-live-from]");
    if (!gantt) return;
    const start = Date.parse(gantt.dataset.liveFrom), painted = Date.parse(gantt.dataset.now), now = serverNow();
    if (now <= painted) return;
    const scale = (painted - start) / (now - start);
    for (const bar of gantt.querySelectorAll("rect")) {
      bar.dataset.x ||= bar.getAttribute("x");
      bar.dataset.w ||= bar.getAttribute("width");
      const x = parseFloat(bar.dataset.x) * scale;
      bar.setAttribute("x", `${x}%`);
      if (bar.dataset.began) bar.setAttribute("width", `${Math.max(0.4, 100 - x)}%`);
      else if (bar.dataset.w.endsWith("%")) bar.setAttribute("width", `${Math.max(0.3, parseFloat(bar.dataset.w) * scale)}%`);
    }
    for (const text of gantt.querySelectorAll(".g-axis text")) {
      text.dataset.x ||= text.getAttribute("x");
      text.setAttribute("x", `${parseFloat(text.dataset.x) * scale}%`);
    }
  }, 250);
}

const MOST_LINES = 3000;
const LOOK_BACK = 100;
function followLogs(panel) {
  let follow = true, waiting = false, again = false, missed = 0;
  const button = document.querySelector("#log-follow");
  const show = () => { if (button) { button.hidden = follow; button.textContent = missed ? `following paused, ${missed} new lines` : "follow"; } };
  const toEnd = () => { panel.scrollTop = panel.scrollHeight; };
  panel.addEventListener("scroll", () => {
    follow = panel.scrollHeight - panel.scrollTop - panel.clientHeight < 40;
    if (follow) missed = 0;
    show();
  });
  button?.addEventListener("click", () => { follow = true; missed = 0; toEnd(); show(); });
  const more = async () => {
    if (waiting) { again = true; return; }
    waiting = true;
    do {
      again = false;
      const url = new URL(location);
      // Batches of several processes may be seen in another order than that of their numbers, so each look goes back a little.
      url.searchParams.set("after", Math.max(0, Number(panel.dataset.lastId || 0) - LOOK_BACK));
      url.hash = "";
      const { ok, page } = await load(url);
      const fresh = ok ? [...page.querySelectorAll(".logs .l")].filter((line) => !document.getElementById(line.id)) : [];
      if (fresh.length) {
        panel.querySelector(".empty")?.remove();
        panel.append(...fresh.map((line) => document.importNode(line, true)));
        panel.dataset.lastId = Math.max(Number(panel.dataset.lastId || 0), ...fresh.map((line) => Number(line.dataset.id)));
        const lines = panel.children;
        while (lines.length > MOST_LINES && follow) lines[0].remove();
        panel.dispatchEvent(new Event("parts", { bubbles: true }));
        if (follow) toEnd(); else { missed += fresh.length; show(); }
        if (fresh.length >= 350) again = true;
      }
      await new Promise((done) => setTimeout(done, 200));
    } while (again);
    waiting = false;
  };
  toEnd();
  if (!panel.dataset.followLogs) return;
  openStream(panel.dataset.followLogs, more, more);
}

function poll(list, replaceParts) {
  setInterval(async () => {
    if (document.hidden || list.querySelector(":hover, .tick:checked") || document.querySelector("dialog[open], details[open]")) return;
    const { ok, page } = await load(location.href);
    if (ok) replaceParts(page, [`#${list.dataset.poll}`]);
  }, 4000);
}
