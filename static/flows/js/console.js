// What every page shares, in one file because every request of a cold page counts.

// Parts of a page from the server, put in place of the same parts here.
export async function load(url, options = {}) {
  const line = document.querySelector(".wait-line");
  const slow = setTimeout(() => line?.classList.add("is-on"), 400);
  try {
    const answer = await fetch(url, { ...options, headers: { "X-Fragment": "1", ...(options.headers || {}) } });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, url: answer.url, page: new DOMParser().parseFromString(text, "text/html") };
  } catch {
    return { ok: false, status: 0, page: null };
  } finally {
    clearTimeout(slow);
    line?.classList.remove("is-on");
  }
}

export function replaceParts(page, selectors) {
  let count = 0;
  for (const selector of selectors) {
    const fresh = page.querySelector(selector),
      old = document.querySelector(selector);
    if (!fresh || !old || fresh.outerHTML === old.outerHTML) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key =
      focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.name ? `[name="${CSS.escape(focused.name)}"]` : "");
    const scrolled = [...old.querySelectorAll(".canvas, .logs, .scroll")].map((node) => [node.scrollLeft, node.scrollTop]);
    const adopted = document.importNode(fresh, true);
    if (old.classList.contains("canvas")) adopted.className = old.className;
    old.replaceWith(adopted);
    [...adopted.querySelectorAll(".canvas, .logs, .scroll")].forEach(
      (node, index) => scrolled[index] && node.scrollTo(...scrolled[index]),
    );
    if (key) adopted.querySelector(key)?.focus({ preventScroll: true });
    adopted.dispatchEvent(new Event("parts", { bubbles: true }));
    count += 1;
  }
  return count;
}

export async function swap(url, selectors, options) {
  const { ok, page, status } = await load(url, options);
  if (page && (ok || status === 422)) replaceParts(page, selectors);
  return ok || status === 422;
}

// Live pages. The stream only rings: what changed is asked for as parts of the same page.

const PARTS = ["#live-acts", "#live-head", "#live-body"];
const GATHER_MS = 120;
const STALL_MS = 5000;

function startLive() {
  const place = document.querySelector("[data-follow]");
  if (place) followExecution(place);
  for (const list of document.querySelectorAll("[data-poll]")) poll(list);
}

export function setMark(kind, text) {
  const mark = document.querySelector(".live");
  if (!mark) return;
  mark.className = `live ${kind}`;
  mark.textContent = text;
}

// A stream of events. `on` holds functions by the names of events; `message` is one without a name, `end` the last one. A stream
// that fails three times is replaced by asking (`on.ask`) every three seconds until it comes back.
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
    if (name === "end" || event.lastEventId === "end") {
      close();
      on.end?.(event);
    } else on[name](event);
  };
  const open = () => {
    source?.close();
    heardAt = Date.now();
    source = new EventSource(address());
    for (const name of Object.keys(on)) if (name !== "ask") source.addEventListener(name, hear(name));
    source.onopen = () => {
      lostAt = failures = 0;
      clearTimeout(lostTimer);
      clearInterval(askTimer);
      setMark("is-on", "live");
    };
    source.onerror = () => {
      if (closed) return;
      lostAt ||= Date.now();
      failures += 1;
      if (failures === 3) askTimer = setInterval(on.ask || on.message, 3000);
      clearTimeout(lostTimer);
      lostTimer = setTimeout(() => {
        const seconds = (Date.now() - lostAt) / 1000;
        setMark(
          "is-lost",
          seconds > 14 ? `paused – showing the state of ${new Date(lostAt).toLocaleTimeString("en-GB")}` : "reconnecting",
        );
      }, 3000);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => closed || open(), 1000 + 3000 * Math.random());
    };
  };
  const close = () => {
    closed = true;
    source.close();
    clearTimeout(lostTimer);
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
  // A stream may stall without telling; one that promised signs of life is opened again.
  const watch = setInterval(() => on.alive && !document.hidden && Date.now() - heardAt > 12000 && open(), 2000);
  open();
  return close;
}

function followExecution(place) {
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
      const { ok, page } = await load(location.href);
      if (ok && !document.querySelector("dialog[open]")) {
        replaceParts(page, PARTS);
        ended = !page.querySelector("[data-follow]");
      }
    } while (again);
    waiting = false;
  };
  // A stream may stall without telling; the page must not.
  setInterval(() => {
    if (!ended && !document.hidden && Date.now() - askedAt > STALL_MS) refresh();
  }, 1000);
  openStream(() => place.dataset.follow, {
    message: refresh,
    async end() {
      await refresh();
      setMark("", "ended");
    },
  });
}

function poll(list) {
  setInterval(
    async () => {
      // Replaced parts are new elements, and what somebody typed into one must stay.
      const shown = document.getElementById(list.dataset.poll) || list;
      if (document.hidden || shown.querySelector(":hover, .tick:checked") || document.querySelector("dialog[open], details[open]"))
        return;
      if ([...shown.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue)) return;
      const { ok, page } = await load(location.href);
      if (ok) replaceParts(page, [`#${list.dataset.poll}`]);
    },
    Number(list.dataset.every || 4) * 1000,
  );
}

// A text area with code becomes an editor when somebody goes into it.
document.addEventListener("focusin", async (event) => {
  if (event.target.matches?.("textarea[data-code]")) (await import("./code_field.js")).growEditor(event.target);
});

// How many questions wait for a person.
setInterval(async () => {
  const mark = document.querySelector(".nav .count");
  if (!mark || document.hidden) return;
  const answer = await fetch("/ui/inbox?count=1", { headers: { "X-Fragment": "1" } }).catch(() => null);
  if (answer?.ok) mark.textContent = await answer.text();
}, 15000);

const root = document.documentElement;
const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

// Times: the server writes UTC, the reader sees the own zone.
const full = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: localStorage.getItem("clock") === "12",
  timeZone: localStorage.getItem("zone") === "utc" ? "UTC" : undefined,
});
const two = (number) => String(number).padStart(2, "0");
// The time of a log line. Thousands may come at once, and formatters of the browser are slow.
export function showClock(node) {
  if (localStorage.getItem("zone") !== "utc") {
    const at = new Date(node.dateTime);
    node.textContent = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  }
  node.dataset.done = "1";
}
function localizeTimes(from = document) {
  for (const node of all("time[datetime]:not([data-done])", from)) {
    const at = new Date(node.dateTime);
    if (isNaN(at)) continue;
    node.dataset.done = "1";
    if (node.dataset.form === "clock") showClock(node);
    else if (node.className === "age") node.title = full.format(at) + " · " + node.dateTime.slice(0, 19) + " UTC";
    else {
      const words = [full.format(at), node.title];
      if (localStorage.getItem("time") === "relative") words.reverse();
      node.title = words[1] + " · " + node.dateTime.slice(0, 19).replace("T", " ") + " UTC";
      node.textContent = words[0];
    }
  }
}

function writeDuration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return Math.round(s * 1000) + " ms";
  if (s < 60) return s.toFixed(1) + " s";
  if (s < 3600) return Math.floor(s / 60) + "m " + two(Math.floor(s % 60)) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h " + two(Math.floor((s % 3600) / 60)) + "m";
  return Math.floor(s / 86400) + "d " + two(Math.floor((s % 86400) / 3600)) + "h";
}
// The clock of the server, so that a wrong clock here shows no negative durations.
const skew = Date.now() - Date.parse(document.body.dataset.now || new Date().toISOString());
export const serverNow = () => Date.now() - skew;

function tick() {
  for (const node of all("[data-ticks-from]")) node.textContent = writeDuration(serverNow() - Date.parse(node.dataset.ticksFrom));
}

export function toast(text, kind = "", link = null) {
  const box = one(".toasts"),
    note = document.createElement("div");
  note.className = "note " + kind;
  note.setAttribute("role", "status");
  note.textContent = text + " ";
  if (link) note.append(link.nodeType ? link : Object.assign(document.createElement("a"), { href: link.url, textContent: link.text }));
  box.append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 12000 : 6000);
}

// Only acts that take something back can stand in an address, so that no link offers a button that destroys something.
const UNDO = /^([\w.-]+\/[\w.-]+)\/(enable|disable|undelete)$/;
function makeUndo(wanted) {
  const found = UNDO.exec(wanted || "");
  if (!found) return null;
  const form = Object.assign(document.createElement("form"), { method: "post", action: `/ui/flows/edit/${found[1]}/act/${found[2]}` });
  form.append(
    Object.assign(document.createElement("input"), {
      type: "hidden",
      name: "csrfmiddlewaretoken",
      value: one("meta[name=csrf-token]").content,
    }),
    Object.assign(document.createElement("button"), { className: "btn small", textContent: "Undo" }),
  );
  return form;
}

function showNotes() {
  const url = new URL(location);
  for (const [name, kind] of [
    ["note", ""],
    ["problem", "bad"],
  ]) {
    if (url.searchParams.has(name)) toast(url.searchParams.get(name), kind, kind ? null : makeUndo(url.searchParams.get("undo")));
    url.searchParams.delete(name);
  }
  url.searchParams.delete("undo");
  if (url.href !== location.href) history.replaceState(null, "", url);
}

// Theme and navigation.
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
function toggleTheme() {
  localStorage.setItem("theme", root.dataset.theme === "dark" ? "light" : "dark");
  showTheme();
}
function toggleNav() {
  if (matchMedia("(max-width:760px)").matches) return one(".nav").classList.toggle("is-open");
  localStorage.setItem("nav", root.classList.contains("narrow") ? "wide" : "narrow");
  applyChoices();
}
export function showTheme() {
  const wanted = localStorage.getItem("theme") || "system";
  root.dataset.theme = wanted === "system" ? (systemIsDark.matches ? "dark" : "light") : wanted;
  document.dispatchEvent(new Event("theme"));
  tellLook();
}
systemIsDark.addEventListener("change", showTheme);

// What the palette does comes when it is first asked for; who types at once already types into its field.
async function openPalette() {
  const dialog = one("dialog.palette");
  if (dialog.open) return;
  one("input", dialog).value = "";
  dialog.showModal();
  (await import("./palette.js")).startPalette();
}

// Clicks: dialogs, drawers, copies, menus.
document.addEventListener("click", async (event) => {
  const at = (selector) => event.target.closest(selector);
  if (at("[data-palette]")) openPalette();
  if (at("[data-theme-toggle]")) toggleTheme();
  if (at("[data-nav-toggle]")) toggleNav();
  const opener = at("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    for (const [name, value] of Object.entries(opener.dataset))
      if (name.startsWith("fill")) {
        const field = one(`[name=${name.slice(4).toLowerCase()}]`, dialog);
        if (field) field.value = value;
      }
    dialog.showModal();
    opener.closest("details")?.removeAttribute("open");
  }
  if (at("[data-close]") && at("dialog")) at("dialog").close();
  if (event.target.nodeName === "DIALOG") event.target.close();
  const copier = at("[data-copy],[data-copy-of]");
  if (copier) {
    await navigator.clipboard?.writeText(copier.dataset.copy ?? one(copier.dataset.copyOf).textContent);
    toast("Copied");
  }
  const fitter = at("[data-fit]");
  if (fitter) fitter.textContent = one(fitter.dataset.fit).classList.toggle("fit") ? "100 %" : "fit";
  const part = at("a[data-part]");
  if (part && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    if (await swap(part.href, ["#results"])) history.replaceState(null, "", part.href);
  }
  const rowMenu = at("[data-row-menu]");
  if (rowMenu) (await import("./row_menu.js")).openMenu(rowMenu);
  const drawer = at("a[data-drawer]");
  if (drawer && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    openDrawer(drawer.href);
  }
  if (at("[data-drawer-close]")) {
    event.preventDefault();
    closeDrawer();
  }
  const node = at("[data-url]");
  if (node && !node.closest("#editor")) openDrawer(new URL(node.dataset.url, location).href);
  for (const open of all("details.pick[open]")) if (!open.contains(event.target)) open.open = false;
  if (one(".nav.is-open") && !at(".nav") && !at("[data-nav-toggle]")) one(".nav").classList.remove("is-open");
});
async function openDrawer(href) {
  if (await swap(href, ["#drawer"])) {
    history.replaceState(null, "", href);
    one(".drawer [data-drawer-close]")?.focus();
  } else location = href;
}
function closeDrawer() {
  const url = new URL(location);
  for (const name of ["task", "file", "rows", "encoding", "inputs"]) url.searchParams.delete(name);
  history.replaceState(null, "", url);
  one("#drawer")?.replaceChildren();
}

// Filters apply by themselves and stand in the address.
let filterTimer;
async function applyFilters(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value !== "");
  const url = location.pathname + "?" + new URLSearchParams(pairs);
  history.replaceState(null, "", url);
  await swap(url, ["#results", "#chips"]);
}
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-filters]");
  if (!form) return;
  clearTimeout(filterTimer);
  filterTimer = setTimeout(() => applyFilters(form), event.target.type === "search" ? 180 : 30);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("form[data-filters]")) {
    event.preventDefault();
    applyFilters(form);
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  // Two clicks must not start two executions.
  if (form.method === "post") {
    form.dataset.sent = "1";
    setTimeout(() => all("button", form).forEach((button) => (button.disabled = true)));
  }
});
addEventListener("pageshow", (event) => {
  if (event.persisted)
    all("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      all("button", form).forEach((button) => (button.disabled = false));
    });
});

// Ticking rows, with shift for a range.
document.addEventListener("click", async (event) => {
  if (event.target.matches?.(".tick, .tick-all")) (await import("./ticks.js")).tickRows(event);
});
// Actions on many rows, and the forms that start something, come when they are asked for.
const START = /^\/ui\/flows\/edit\/[^/]+\/[^/]+\/execute$/;
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-bulk]"),
    link = event.target.closest("a[href]");
  if (button) (await import("./bulk.js")).askBulk(button);
  if (link && START.test(link.pathname) && !event.metaKey && !event.ctrlKey && !one("[data-start]", one("main"))) {
    event.preventDefault();
    (await import("./execute.js")).openExecute(link.href);
  }
});
if (one("#bulk-run")) import("./bulk.js");
if (location.hash === "#execute") one("a[data-execute]")?.click();

// A text that the server checks when one leaves its field.
document.addEventListener("change", ({ target }) => {
  const form = target.closest("form[data-check-url]");
  if (form) swap(form.dataset.checkUrl, ["#checks"], { method: "POST", body: new FormData(form) });
});
document.addEventListener("focusin", (event) => {
  const form = event.target.closest("form:has([data-field])");
  if (form && !form.dataset.wired) import("./forms.js").then(({ wireForm }) => wireForm(form));
});

// Keys.
const places = {
  d: "/ui/",
  e: "/ui/executions",
  f: "/ui/flows",
  l: "/ui/logs",
  t: "/ui/triggers",
  n: "/ui/namespaces",
  b: "/ui/blueprints",
  p: "/ui/plugins",
  s: "/ui/system",
  i: "/ui/inbox",
};
let afterG = false;
function moveRow(step) {
  const rows = all("table.list tbody tr, .g-body .g-row");
  const at = rows.findIndex((row) => row.classList.contains("is-at"));
  rows[at]?.classList.remove("is-at");
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.classList.add("is-at");
  next?.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    const target = document.activeElement?.closest("form") || one("form[data-main]");
    if (target?.method === "post") return target.requestSubmit();
    return one("[data-execute]")?.click();
  }
  const menu = event.key === "Escape" && !one("dialog[open]") && one("details.pick[open]");
  if (menu) {
    menu.open = false;
    return one("summary", menu).focus();
  }
  if (event.key === "Escape" && one(".drawer") && !one("dialog[open]")) return closeDrawer();
  const typing =
    event.target.matches?.("input,textarea,select,[contenteditable]") || event.target.closest?.(".ace_editor,dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("keys") === "off") return;
  if (afterG) {
    afterG = false;
    if (places[event.key]) location = places[event.key];
    return;
  }
  const digit = Number(event.key);
  if (event.key === "g") {
    afterG = true;
    setTimeout(() => (afterG = false), 900);
  } else if (event.key === "/") {
    const field = one("form[data-filters] input[type=search]");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  } else if (event.key === "t") toggleTheme();
  else if (event.key === "?") one("#keys-dialog")?.showModal();
  else if (event.key === "j" || event.key === "k") moveRow(event.key === "j" ? 1 : -1);
  else if (event.key === "x") one("tr.is-at .tick")?.click();
  else if (event.key === "Enter" && one(".is-at a:not(.g-fold)")) one(".is-at a:not(.g-fold)").click();
  else if (event.key === "Enter" && event.target.dataset?.url) openDrawer(new URL(event.target.dataset.url, location).href);
  else if ("rR[]".includes(event.key)) one(`[data-key="${event.key === "R" ? "shift r" : event.key}"]`)?.click();
  else if (digit >= 1 && digit <= 9) all(".tabs a")[digit - 1]?.click();
});

// Choices are kept with the account. A cookie tells the server those that its first paint needs; the browser has a copy of all.
// The server puts quotes around it.
const told = () =>
  new URLSearchParams(document.cookie.split("; ").find((pair) => pair.startsWith("look="))?.slice(5).replaceAll('"', ""));
function tellLook() {
  const look = told(),
    before = look.toString();
  look.delete("v");
  for (const name of ["theme", "nav", "density", "home-namespace", "log-level", "log-order"])
    if (localStorage.getItem(name) !== null) look.set(name, localStorage.getItem(name));
  if (look.toString() !== before)
    document.cookie = `look=${look}; path=/; max-age=43200; samesite=lax` + (location.protocol === "https:" ? "; secure" : "");
}
export function applyChoices() {
  root.classList.toggle("comfortable", localStorage.getItem("density") === "comfortable");
  root.classList.toggle("narrow", localStorage.getItem("nav") === "narrow");
  tellLook();
}
// With this mark the cookie comes from the server, with what the account keeps.
if (told().has("v")) for (const [name, value] of told()) localStorage.setItem(name, value);
showTheme();
if (one("[data-setting]")) import("./settings.js");
applyChoices();

// What scrolls and holds nothing to focus is scrolled by the arrow keys.
function reachScrolls(from = document) {
  for (const box of all(".scroll, .logs", from))
    if ((box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) && !one("a, button:enabled, input:enabled, summary", box))
      box.tabIndex = 0;
}

document.addEventListener("parts", (event) => {
  localizeTimes(event.target);
  reachScrolls();
});
localizeTimes();
reachScrolls();
showNotes();
setInterval(tick, 1000);
// Only pages on which something moves need the rest.
startLive();
