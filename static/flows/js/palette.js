// The command palette: where one was lately, what this page can do, and what the server finds by what is typed.
import { listRecent } from "./console.js";

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const field = one("dialog.palette input"),
  list = one("dialog.palette ul");
const MOST_ACTIONS = 6,
  MOST_RECENT = 6;
let timer,
  run = 0,
  picked = "";

export function startPalette() {
  picked = "";
  fill(field.value);
}

// The buttons and menus of the head of the page are its actions; what is impossible now is not offered.
function listActions(text) {
  const found = [];
  for (const node of all("header.top .tools :is(a.btn, button.btn, .item):not([data-palette], [disabled])")) {
    const words = (node.textContent.trim() || node.ariaLabel || "").replace(/\s+/g, " ").replace(/ Ctrl .*/, "");
    if (words && words.toLowerCase().includes(text.trim().toLowerCase()) && !found.some((other) => other.text === words))
      found.push({ text: words, kind: "action", note: "on this page", node });
  }
  return found.slice(0, MOST_ACTIONS);
}
// The things of the pages that were open lately, each once, without that of this page.
const THING = /^\/ui\/(?:(flow)s\/edit\/[^/]+\/[^/]+|(execution)s\/[^/]+\/[^/]+\/[^/]+|(namespace|blueprint)s\/[^/]+)/;
function listThings() {
  const found = new Map();
  for (const path of listRecent()) {
    const [url, ...kinds] = THING.exec(path) || [],
      kind = kinds.find(Boolean),
      names = (url || "").split("/").map(decodeURIComponent);
    if (kind && !found.has(url) && !location.pathname.startsWith(url))
      found.set(url, { url, kind, text: names.slice(kind === "execution" ? -2 : -1).join(" / "), note: "recent" });
  }
  return [...found.values()].slice(0, MOST_RECENT);
}
async function fill(text) {
  const mine = ++run;
  const answer = await fetch("/ui/palette?q=" + encodeURIComponent(text)).catch(() => null);
  // What this page can do and where one was lately is offered without the server, too.
  const { found = [] } = answer?.ok ? await answer.json().catch(() => ({})) : {};
  if (mine !== run) return;
  const recent = text ? [] : listThings();
  const known = new Set(recent.map(({ url }) => url));
  const rest = found.filter(({ url }) => !known.has(url));
  if (!text) return show([...recent, ...listActions(""), ...rest]);
  // Whoever writes the whole word means the button that has it.
  const actions = listActions(text),
    named = actions.filter((action) => action.text.toLowerCase() === text.trim().toLowerCase()),
    others = actions.filter((action) => !named.includes(action));
  show([...named, ...rest.slice(0, 6), ...others, ...rest.slice(6)]);
}
function show(rows) {
  list.replaceChildren(...rows.map(make));
  if (!rows.length) list.textContent = "Nothing matches.";
  // What somebody moved to stays marked when more is found.
  mark(Math.max(0, picked ? rows.findIndex(({ text }) => text === picked) : 0));
}
function make({ url, kind, text, note, node }, index) {
  const row = document.createElement("li"),
    link = document.createElement("a");
  row.id = `found-${index}`;
  row.setAttribute("role", "option");
  link.tabIndex = -1;
  link.href = url || node.href || "#";
  for (const [tag, name, words] of [
    ["span", "kind", kind],
    ["span", "", text],
    ["small", "", note],
  ])
    link.append(Object.assign(document.createElement(tag), { className: name, textContent: words }));
  if (node)
    link.addEventListener("click", (event) => {
      event.preventDefault();
      one("dialog.palette").close();
      node.click();
    });
  row.append(link);
  return row;
}
function mark(at) {
  const rows = all("li", list);
  rows.forEach((row, index) => row.setAttribute("aria-selected", index === at));
  field.setAttribute("aria-activedescendant", rows[at]?.id || "");
  rows[at]?.scrollIntoView({ block: "nearest" });
}
field.addEventListener("input", () => {
  picked = "";
  clearTimeout(timer);
  timer = setTimeout(() => fill(field.value), 90);
});
one("dialog.palette").addEventListener("keydown", (event) => {
  const rows = all("li", list),
    at = rows.findIndex((row) => row.ariaSelected === "true"),
    step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && rows.length) {
    event.preventDefault();
    mark((at + step + rows.length) % rows.length);
    picked = one("[aria-selected=true] span:nth-of-type(2)", list).textContent;
  }
  if (event.key === "Enter") {
    event.preventDefault();
    one("a", rows[at] || list)?.click();
  }
  // The first press of the key would only empty the field.
  if (event.key === "Escape") {
    event.preventDefault();
    one("dialog.palette").close();
  }
});
