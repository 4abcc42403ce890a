// Streams of events, and the page of an execution that follows one. The stream of an execution only rings.
import { load, replaceParts } from "./console.js";

const one = (selector) => document.querySelector(selector);
const PARTS = ["#live-acts", "#live-head", "#live-body"];
const GATHER_MS = 80;
// What nothing rings for: what the page says of time that went by, and the newest lines in the drawer of a task.
const STALL_MS = 20000,
  DRAWER_MS = 4000;

export function setMark(kind, text) {
  const mark = one(".live");
  if (!mark) return;
  mark.className = `live ${kind}`;
  mark.textContent = text;
}

// A stream of events. `on` holds functions by the names of events, of which `end` is the last one and `alive` comes now and then.
// A stream that fails three times is replaced by asking (`on.ask`) every three seconds until it comes back.
export function openStream(address, on) {
  let source,
    closed = false,
    lostAt = 0,
    lostTimer,
    askTimer,
    heardAt = Date.now(),
    failures = 0;
  const hear = (name) => (event) => {
    heardAt = Date.now();
    if (name === "end") close();
    on[name](event);
  };
  const tellLoss = () => {
    const lost = Date.now() - lostAt,
      since = `paused – showing the state of ${new Date(lostAt).toLocaleTimeString("en-GB")}`;
    if (lost > 3000) setMark("is-lost", lost > 15000 ? since : "reconnecting");
  };
  const open = () => {
    source?.close();
    heardAt = Date.now();
    source = new EventSource(address());
    for (const name of Object.keys(on)) if (name !== "ask") source.addEventListener(name, hear(name));
    source.onopen = () => {
      lostAt = failures = 0;
      clearInterval(lostTimer);
      clearInterval(askTimer);
      setMark("is-on", "live");
    };
    source.onerror = () => {
      if (closed) return;
      if (!lostAt) lostTimer = setInterval(tellLoss, 1000);
      lostAt ||= Date.now();
      failures += 1;
      if (failures === 3) askTimer = setInterval(on.ask, 3000);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => closed || open(), 1000 + 3000 * Math.random());
    };
  };
  const close = () => {
    closed = true;
    source.close();
    clearInterval(lostTimer);
    clearInterval(askTimer);
    clearInterval(watch);
    document.removeEventListener("visibilitychange", show);
  };
  // Browsers allow six connections to one host: a hidden page gives its own back.
  let hiddenTimer;
  const show = () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => source.close(), 30000);
    else if (source.readyState === EventSource.CLOSED) open();
  };
  document.addEventListener("visibilitychange", show);
  // A stream may stall without telling: one that gives no sign of life is opened again.
  const watch = setInterval(() => !document.hidden && Date.now() - heardAt > 12000 && open(), 2000);
  open();
  return close;
}

// What somebody selects in, or stands in with the keyboard, is not changed under the hand.
const isInHand = (box) =>
  !getSelection().isCollapsed || (box?.contains(document.activeElement) && !document.activeElement.id);

export function followExecution(place) {
  let waiting = false,
    again = false,
    ended = false,
    askedAt = 0;
  const refresh = async () => {
    if (waiting) {
      again = true;
      return;
    }
    waiting = true;
    // The first change is shown at once; those that follow closely are gathered.
    do {
      await new Promise((done) => setTimeout(done, Math.max(0, askedAt + GATHER_MS - Date.now())));
      again = false;
      askedAt = Date.now();
      const address = location.href,
        { ok, page } = await load(address);
      // A drawer that was opened meanwhile is not in this answer.
      if (address !== location.href) again = true;
      else if (ok && !one("dialog[open]")) {
        replaceParts(page, isInHand(one("#drawer")) ? PARTS : [...PARTS, "#drawer"]);
        ended = !page.querySelector("[data-follow]");
      }
    } while (again);
    waiting = false;
  };
  setInterval(() => {
    const patience = one("#drawer > aside") ? DRAWER_MS : STALL_MS;
    if (!ended && !document.hidden && Date.now() - askedAt > patience) refresh();
  }, 1000);
  openStream(() => place.dataset.follow, {
    changed: refresh,
    ask: refresh,
    alive() {},
    async end() {
      await refresh();
      setMark("", "ended");
    },
  });
}

