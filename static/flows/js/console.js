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

const SCROLLED = ".canvas, .logs, .scroll, .drawer > .body";
export function replaceParts(page, selectors) {
  let count = 0;
  for (const selector of selectors) {
    const fresh = page.querySelector(selector),
      old = document.querySelector(selector);
    if (!fresh || !old || fresh.outerHTML === old.outerHTML) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key =
      focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.name ? `[name="${CSS.escape(focused.name)}"]` : "");
    const scrolled = [...old.querySelectorAll(SCROLLED)].map((node) => [node.scrollLeft, node.scrollTop]);
    const opened = [...old.querySelectorAll("details")].map((node) => node.open);
    const adopted = document.importNode(fresh, true);
    // A menu that somebody has opened stays open under the hand.
    [...adopted.querySelectorAll("details")].forEach((node, index) => (node.open = opened[index] ?? node.open));
    if (old.classList.contains("canvas")) adopted.className = old.className;
    old.replaceWith(adopted);
    [...adopted.querySelectorAll(SCROLLED)].forEach(
      (node, index) => scrolled[index] && node.scrollTo(...scrolled[index]),
    );
    if (key) adopted.querySelector(key)?.focus({ preventScroll: true });
    adopted.dispatchEvent(new Event("parts", { bubbles: true }));
    count += 1;
  }
  return count;
}

// Answers may overtake each other: a part shows the one that was asked for last.
const newest = {};
let asks = 0;
export async function swap(url, selectors, options) {
  const mine = ++asks;
  for (const selector of selectors) newest[selector] = mine;
  const { ok, page, status } = await load(url, options);
  if (page && (ok || status === 422))
    replaceParts(
      page,
      selectors.filter((selector) => newest[selector] === mine),
    );
  return ok || status === 422;
}

// Live pages: what changed on an execution comes by its stream.
function startLive() {
  const place = document.querySelector("[data-follow]");
  if (place) import("./follow.js").then(({ followExecution }) => followExecution(place));
  if (document.querySelector("[data-poll]")) import("./poll.js");
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
const DATES = { iso: "sv", dmy: "en-GB", mdy: "en-US" };
let zone, full;
function readTimes() {
  zone = { utc: "UTC", local: "" }[localStorage.getItem("zone")] ?? localStorage.getItem("zone") ?? "";
  try {
    new Intl.DateTimeFormat("sv", { timeZone: zone || undefined });
  } catch {
    zone = "";
  }
  const locale = DATES[localStorage.getItem("date")];
  full = new Intl.DateTimeFormat(locale, {
    ...(locale ? { year: "numeric", month: "2-digit", day: "2-digit" } : { month: "short", day: "numeric" }),
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: localStorage.getItem("clock") === "12" ? "h12" : "h23",
    timeZone: zone || undefined,
  });
}
readTimes();
export const writeMoment = (at) => full.format(at);
export function applyTimes() {
  readTimes();
  for (const node of all("time[data-done]")) delete node.dataset.done;
  localizeTimes();
}
// How far the reader's zone is from UTC, in milliseconds. Formatters are slow, so one answer serves a whole hour.
const shifts = new Map();
export function zoneShift(at) {
  if (zone === "UTC") return 0;
  if (!zone) return -at.getTimezoneOffset() * 60000;
  const hour = Math.floor(at / 3600000);
  if (!shifts.has(hour)) {
    const start = new Date(hour * 3600000);
    shifts.set(hour, new Date(`${start.toLocaleString("sv", { timeZone: zone }).replace(" ", "T")}Z`) - start);
  }
  return shifts.get(hour);
}
const two = (number) => String(number).padStart(2, "0");
// The time of a log line. Thousands may come at once, and formatters of the browser are slow.
export function showClock(node) {
  const at = new Date(node.dateTime);
  node.textContent = new Date(+at + zoneShift(at)).toISOString().slice(11, 23);
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
      node.dataset.age ??= node.title;
      const words = [full.format(at), node.dataset.age];
      if (localStorage.getItem("time") === "relative") {
        words.reverse();
        node.classList.add("age");
      }
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

export function writeAge(ms) {
  const s = Math.abs(ms) / 1000;
  if (s < 5) return "just now";
  const [size, unit] = s < 60 ? [1, "s"] : s < 3600 ? [60, "min"] : s < 86400 ? [3600, "h"] : [86400, "d"];
  const words = `${Math.floor(s / size)} ${unit}`;
  return ms < 0 ? `in ${words}` : `${words} ago`;
}

function tick() {
  for (const node of all("[data-ticks-from]")) node.textContent = writeDuration(serverNow() - Date.parse(node.dataset.ticksFrom));
  for (const node of all("time.age")) {
    const words = writeAge(serverNow() - Date.parse(node.dateTime));
    if (node.textContent !== words) node.textContent = words;
  }
}
// What a cell cuts off is told by its tooltip.
document.addEventListener("mouseover", ({ target }) => {
  const cell = target.closest?.("td");
  if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.innerText.trim();
});

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

// Where one was lately, as addresses, kept in this browser for each person.
const RECENT = `recent ${one(".nav .bottom a")?.textContent}`;
export const listRecent = () => JSON.parse(localStorage.getItem(RECENT) || "[]");
function keepRecent() {
  if (/^\/ui\/(flows\/edit|executions|namespaces|blueprints)\/./.test(location.pathname) && !one(".big-error"))
    localStorage.setItem(RECENT, JSON.stringify([location.pathname, ...listRecent()].slice(0, 20)));
}

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
    // A link in a picture has an address that may change by itself.
    const href = part.href.baseVal ?? part.href;
    if (await swap(href, ["#results"])) history.replaceState(null, "", href);
  }
  const rowMenu = at("[data-row-menu]");
  if (rowMenu) (await import("./row_menu.js")).openMenu(rowMenu);
  const opens = at("a[data-drawer]");
  if (opens && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    drawer("open", opens.href);
  }
  if (at("[data-drawer-close]")) {
    event.preventDefault();
    drawer("close");
  }
  const node = at("[data-url]");
  if (node && !node.closest("#editor")) drawer("open", new URL(node.dataset.url, location).href);
  for (const open of all("details.pick[open]")) if (!open.contains(event.target)) open.open = false;
  if (one(".nav.is-open") && !at(".nav") && !at("[data-nav-toggle]")) one(".nav").classList.remove("is-open");
});
const drawer = (act, href) => import("./drawer.js").then((made) => made[act](href));

// Filters apply by themselves and stand in the address.
let filterTimer;
async function applyFilters(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value !== "");
  const sort = new URL(location).searchParams.get("sort");
  if (sort) pairs.push(["sort", sort]);
  const url = location.pathname + "?" + new URLSearchParams(pairs);
  history.replaceState(null, "", url);
  await swap(url, ["#results", "#chips"]);
}
document.addEventListener("input", async ({ target }) => {
  const form = target.closest("form[data-filters]");
  if (!form) return;
  if (target.matches("[data-moment], [name=range]")) (await import("./moments.js")).takeMoment(target);
  clearTimeout(filterTimer);
  filterTimer = setTimeout(() => applyFilters(form), target.type === "search" ? 150 : 30);
});
// Opening a menu does not bubble.
document.addEventListener(
  "toggle",
  async ({ target }) => {
    if (target.matches?.(".moments[open]")) (await import("./moments.js")).fillMoments(target);
  },
  true,
);
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

// A text that the server checks: while one writes, or where no editor grows when one leaves its field.
document.addEventListener("grown", async ({ target }) => {
  const form = target.closest("form[data-check-url]");
  if (form) (await import("./checked_text.js")).wireChecks(form);
});
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
  if (event.key === "Escape" && one(".drawer") && !one("dialog[open]")) return drawer("close");
  // The field of a dialog that was closed a moment ago may still have the focus.
  const typing =
    event.target.closest?.("input,textarea,select,[contenteditable],.ace_editor,dialog") &&
    !event.target.closest("dialog:not([open])");
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
  else if (event.key === "Enter" && event.target.dataset?.url) drawer("open", new URL(event.target.dataset.url, location).href);
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
keepRecent();
if (/[?&](note|problem)=/.test(location.search)) import("./notes.js").then(({ showNotes }) => showNotes());
setInterval(tick, 1000);
// Only pages on which something moves need the rest.
startLive();
