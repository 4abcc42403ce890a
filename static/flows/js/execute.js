// The form that starts a flow, as a sheet over the page or on its own page: sending with progress, faults in place, waiting here.
import { load, toast } from "./console.js";
import { wireForm } from "./forms.js";

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const EVERY_MS = 1000;

function makeSheet() {
  const sheet = document.createElement("dialog");
  sheet.id = "execute-sheet";
  sheet.className = "sheet";
  sheet.setAttribute("aria-labelledby", "sheet-title");
  document.body.append(sheet);
  // What was typed is given up only when that is meant.
  sheet.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave(sheet);
  });
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet || event.target.closest("[data-sheet-close]")) {
      event.preventDefault();
      event.stopPropagation();
      leave(sheet);
    }
    if (event.target.closest("[data-sheet-discard]")) close(sheet);
    if (event.target.closest("[data-sheet-keep]")) one(".sheet-ask", sheet).hidden = true;
  });
  return sheet;
}
function leave(sheet) {
  const form = one("form", sheet),
    ask = one(".sheet-ask", sheet);
  if (form?.dataset.dirty && ask?.hidden) {
    ask.hidden = false;
    one("[data-sheet-keep]", ask).focus();
  } else close(sheet);
}
function close(sheet) {
  sheet.close();
  sheet.replaceChildren();
  if (location.hash === "#execute") history.replaceState(null, "", location.pathname + location.search);
}

export async function openExecute(href) {
  const sheet = one("#execute-sheet") || makeSheet();
  const { ok, page } = await load(href);
  const fresh = ok && one("[data-start]", page);
  if (!fresh) {
    location = href;
    return;
  }
  const head = document.createElement("header"),
    title = Object.assign(document.createElement("h2"), { id: "sheet-title", textContent: fresh.dataset.title }),
    whole = Object.assign(document.createElement("a"), { href, className: "btn ghost small right", textContent: "Open as a page" }),
    shut = Object.assign(document.createElement("button"), { type: "button", className: "btn small", textContent: "Close" });
  whole.addEventListener("click", (event) => event.stopPropagation());
  shut.dataset.sheetClose = "";
  head.append(title, whole, shut);
  const ask = document.createElement("div");
  ask.className = "sheet-ask note warn";
  ask.hidden = true;
  ask.setAttribute("role", "alert");
  ask.textContent = "Close and lose what you entered? ";
  for (const [text, name] of [
    ["Keep editing", "sheetKeep"],
    ["Close", "sheetDiscard"],
  ]) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "btn small", textContent: text });
    button.dataset[name] = "";
    ask.append(button, " ");
  }
  sheet.replaceChildren(head, ask, document.importNode(fresh, true));
  if (!sheet.open) sheet.showModal();
  if (one("a[data-execute]")?.href === href) history.replaceState(null, "", "#execute");
  const form = one("form", sheet);
  wireForm(form);
  wireStart(form);
  (one(".fields input:not([type=hidden]):not(.picker), .fields select, .fields textarea", sheet) || one("button.primary", form)).focus();
  follow(sheet);
}

export function wireStart(form) {
  if (form.dataset.starts) return;
  form.dataset.starts = "1";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    send(form);
  });
  // Inputs of another run come into the same sheet.
  form.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-from]");
    if (!link || !form.closest(".sheet") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    openExecute(link.href);
  });
}

function send(form) {
  if (form.dataset.sending) return;
  form.dataset.sending = "1";
  const root = form.closest("[data-start]"),
    button = one("button.primary", form),
    bar = one(".upload", form),
    request = new XMLHttpRequest();
  button.disabled = true;
  const hasFiles = all("input[type=file]", form).some((input) => input.files.length);
  request.upload.onprogress = (event) => {
    if (!hasFiles || !event.lengthComputable) return;
    bar.hidden = false;
    bar.value = event.loaded / event.total;
  };
  const done = (text) => {
    delete form.dataset.sending;
    button.disabled = false;
    bar.hidden = true;
    if (text) toast(text, "bad");
  };
  request.onerror = () => done("The server cannot be reached. Nothing was started; try again.");
  request.onload = () => {
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const fresh = one("[data-start]", page);
    if (!fresh && request.status < 400) {
      location = request.responseURL;
      return;
    }
    if (!fresh) return done(page.body.textContent.trim().replace(/\s+/g, " ").slice(0, 300) || "The server refused this.");
    replace(root, form, fresh, request.status >= 400);
  };
  request.open("POST", form.action || location.href);
  request.setRequestHeader("X-Fragment", "1");
  request.send(new FormData(form));
}

function replace(root, form, fresh, hasFaults) {
  const adopted = document.importNode(fresh, true),
    next = one("form", adopted);
  if (hasFaults) Object.assign(next.dataset, { touched: form.dataset.touched || "", dirty: form.dataset.dirty || "" });
  // A chosen file is not sent back by the server, so the field keeps it.
  for (const old of all("input[type=file]", form)) {
    const again = one(`input[name="${CSS.escape(old.name)}"]`, next);
    if (hasFaults && again && old.files.length) again.files = old.files;
  }
  root.replaceWith(adopted);
  wireForm(next);
  wireStart(next);
  const said = one(hasFaults ? "[role=alert]" : ".started a", adopted);
  if (said) {
    if (hasFaults) said.tabIndex = -1;
    said.focus();
    said.scrollIntoView({ block: "nearest" });
  }
  follow(adopted);
}

// Who stays here sees how the execution goes on.
async function follow(place) {
  const started = one(".started[data-url]", place);
  if (!started) return;
  await new Promise((done) => setTimeout(done, EVERY_MS));
  if (!started.isConnected) return;
  const { ok, page } = await load(started.dataset.url);
  const fresh = ok && one(".started", page);
  if (fresh) {
    const had = started.contains(document.activeElement);
    const adopted = document.importNode(fresh, true);
    started.replaceWith(adopted);
    if (had) one("a", adopted)?.focus();
    follow(adopted.parentElement);
  }
}
