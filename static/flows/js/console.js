// What every page shares, in one file because every request of a cold page counts.

// Parts of a page from the server, put in place of the same parts here.
export async function load(url, options = {}) {
  const line = document.querySelector(".wait-line");
  const slow = setTimeout(() => line?.classList.add("is-on"), 400);
  try {
    const answer = await fetch(url, { ...options, headers: { "X-Fragment": "1", ...(options.headers || {}) } });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, page: new DOMParser().parseFromString(text, "text/html") };
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

const PARTS = ["#live-head", "#live-body"];
const GATHER_MS = 120;
const STALL_MS = 5000;

function startLive() {
  const place = document.querySelector("[data-follow]");
  if (place) followExecution(place);
  for (const list of document.querySelectorAll("[data-poll]")) poll(list);
}

function setMark(kind, text) {
  const mark = document.querySelector(".live");
  if (!mark) return;
  mark.className = `live ${kind}`;
  mark.textContent = text;
}

export function openStream(url, ring, ended) {
  let source,
    closed = false,
    lostAt = 0,
    timer;
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => {
      lostAt = 0;
      clearTimeout(timer);
      setMark("is-on", "live");
    };
    source.onmessage = (event) => {
      if (event.lastEventId === "end") {
        closed = true;
        source.close();
        ended();
      } else ring(event);
    };
    source.onerror = () => {
      if (closed) return;
      lostAt ||= Date.now();
      timer = setTimeout(() => {
        const seconds = (Date.now() - lostAt) / 1000;
        setMark(
          "is-lost",
          seconds > 14 ? `paused – showing the state of ${new Date(lostAt).toLocaleTimeString("en-GB")}` : "reconnecting",
        );
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
  openStream(place.dataset.follow, refresh, async () => {
    await refresh();
    setMark("", "ended");
  });
}

function poll(list) {
  setInterval(
    async () => {
      if (document.hidden || list.querySelector(":hover, .tick:checked") || document.querySelector("dialog[open], details[open]"))
        return;
      const { ok, page } = await load(location.href);
      if (ok) replaceParts(page, [`#${list.dataset.poll}`]);
    },
    Number(list.dataset.every || 4) * 1000,
  );
}

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
function localizeTimes(from = document) {
  for (const node of all("time[datetime]:not([data-done])", from)) {
    const at = new Date(node.dateTime);
    if (isNaN(at)) continue;
    node.dataset.done = "1";
    if (node.dataset.form === "clock") {
      const text = at.toLocaleTimeString("en-GB") + "." + String(at.getMilliseconds()).padStart(3, "0");
      node.textContent = text;
    } else if (node.className === "age") node.title = full.format(at) + " · " + node.dateTime.slice(0, 19) + " UTC";
    else {
      node.title = node.title + " · " + node.dateTime.slice(0, 19).replace("T", " ") + " UTC";
      node.textContent = full.format(at);
    }
  }
}

function writeDuration(ms) {
  const s = Math.max(0, ms) / 1000,
    two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (s < 1) return Math.round(s * 1000) + " ms";
  if (s < 60) return s.toFixed(1) + " s";
  if (s < 3600) return Math.floor(s / 60) + "m " + two(s % 60) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h " + two((s % 3600) / 60) + "m";
  return Math.floor(s / 86400) + "d " + two((s % 86400) / 3600) + "h";
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
  if (link) note.append(Object.assign(document.createElement("a"), { href: link.url, textContent: link.text }));
  box.append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 12000 : 6000);
}

function showNotes() {
  const url = new URL(location);
  for (const [name, kind] of [
    ["note", ""],
    ["problem", "bad"],
  ]) {
    if (url.searchParams.has(name)) toast(url.searchParams.get(name), kind);
    url.searchParams.delete(name);
  }
  if (url.href !== location.href) history.replaceState(null, "", url);
}

// Theme and navigation.
function toggleTheme() {
  const next = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  root.dataset.theme = next;
  document.dispatchEvent(new Event("theme"));
}
function toggleNav() {
  if (matchMedia("(max-width:760px)").matches) return one(".nav").classList.toggle("is-open");
  localStorage.setItem("nav", root.classList.toggle("narrow") ? "narrow" : "wide");
}
export function showTheme() {
  const wanted = localStorage.getItem("theme") || "system";
  root.dataset.theme = wanted === "system" ? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light") : wanted;
  document.dispatchEvent(new Event("theme"));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  if ((localStorage.getItem("theme") || "system") !== "system") return;
  root.dataset.theme = event.matches ? "dark" : "light";
  document.dispatchEvent(new Event("theme"));
});

// The palette comes when it is first asked for.
async function openPalette() {
  (await import("./palette.js")).openPalette();
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
  for (const name of ["task", "file", "rows", "encoding"]) url.searchParams.delete(name);
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
let lastTick = null;
document.addEventListener("click", (event) => {
  const box = event.target;
  if (!box.matches?.(".tick, .tick-all")) return;
  const boxes = all(".tick");
  if (box.matches(".tick-all")) boxes.forEach((each) => (each.checked = box.checked));
  else if (event.shiftKey && lastTick) {
    const [from, to] = [boxes.indexOf(lastTick), boxes.indexOf(box)].sort((a, b) => a - b);
    boxes.slice(from, to + 1).forEach((each) => (each.checked = box.checked));
  }
  lastTick = box;
  const count = boxes.filter((each) => each.checked).length,
    bar = one(".bulk");
  bar?.classList.toggle("is-on", count > 0);
  if (bar) one(".bulk-count", bar).textContent = count + " selected";
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-bulk]");
  if (!button) return;
  const form = one("#bulk-form"),
    count = all(".tick:checked").length;
  one("[name=act]", form).value = button.dataset.bulk;
  const dialog = one("#bulk-dialog");
  one("h2", dialog).textContent = `${button.textContent.trim()} ${count} ${dialog.dataset.noun}${count === 1 ? "" : "s"}?`;
  one(".confirm", dialog).textContent = `${button.textContent.trim()} ${count}`;
  dialog.showModal();
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

// Fields that depend on others are asked for again when those change.
document.addEventListener("change", async (event) => {
  const form = event.target.closest("form[data-fields-url]");
  if (!form || !event.target.closest("[data-steers]")) return;
  const body = new FormData(form);
  for (const [name, value] of [...body]) if (value instanceof File) body.delete(name);
  await swap(form.dataset.fieldsUrl, ["#fields", "#checks", "#as-call"], { method: "POST", body });
});

// Choices are kept with the account; each browser has a copy, so that no page waits for them.
const token = one("meta[name=csrf-token]")?.content;
export function applyChoices() {
  root.classList.toggle("comfortable", localStorage.getItem("density") === "comfortable");
  root.classList.toggle("narrow", localStorage.getItem("nav") === "narrow");
}
if (!sessionStorage.getItem("choices") && token)
  fetch("/ui/settings/mine")
    .then(async (answer) => {
      if (!answer.ok) return;
      const choices = await answer.json();
      Object.entries(choices).forEach(([name, value]) => localStorage.setItem(name, value));
      sessionStorage.setItem("choices", "1");
      if (choices.theme) showTheme();
      applyChoices();
    })
    .catch(() => {});
if (one("[data-setting]")) import("./settings.js");
applyChoices();

document.addEventListener("parts", (event) => localizeTimes(event.target));
localizeTimes();
showNotes();
setInterval(tick, 1000);
// Only pages on which something moves need the rest.
startLive();
