// Actions on many rows: the question before them, and the progress of the job that does them. Loaded with the first click.
import { load, swap } from "./console.js";

const EVERY_MS = 700;
const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

// What an action asks for stands in fields that name it.
function showOptions(form, act) {
  for (const part of all("[data-for]", form)) {
    part.hidden = part.dataset.for !== act;
    for (const field of all("input[name=labels]", part)) field.required = !part.hidden;
  }
}
function describe(label, isPart, count, noun) {
  const joiner = isPart ? " of " : " ";
  return `${label}${joiner}${count} ${noun}${String(count) === "1" ? "" : "s"}`;
}

export function askBulk(button) {
  const dialog = one("#bulk-dialog"),
    form = one("#bulk-form"),
    act = button.dataset.bulk,
    count = all(".tick:checked").length,
    words = describe(button.textContent.trim(), "of" in button.dataset, count, dialog.dataset.noun),
    confirm = one(".confirm", form);
  if (!count) return;
  form.elements.act.value = act;
  form.elements.query.value = location.search.slice(1);
  one("#bulk-title").textContent = `${words}?`;
  confirm.textContent = words;
  confirm.classList.toggle("danger", button.classList.contains("danger"));
  showOptions(form, act);
  form.hidden = false;
  one("#bulk-progress").hidden = true;
  dialog.showModal();
  const field = one("[data-for]:not([hidden]) input:not([type=checkbox]), [data-for]:not([hidden]) select", form);
  (act === "export" ? confirm : field || one("[data-close]", form)).focus();
}

// The panel stands in the dialog; the job goes on without it.
async function begin(dialog, form) {
  const body = new URLSearchParams(new FormData(form));
  const buttons = all("button", form);
  buttons.forEach((each) => (each.disabled = true));
  const { ok, page } = await load(form.getAttribute("action"), { method: "POST", body });
  buttons.forEach((each) => (each.disabled = false));
  const panel = one("#bulk-progress");
  form.hidden = true;
  panel.hidden = false;
  if (!ok) {
    const said = document.createElement("p");
    said.className = "note bad";
    said.textContent = one("main, .empty, body", page || document)?.textContent.trim().replace(/\s+/g, " ").slice(0, 400);
    if (!page) said.textContent = "The server cannot be reached. Nothing was begun; try again.";
    panel.replaceChildren(said, closer());
    return;
  }
  show(panel, page);
  follow(dialog, panel);
}
function closer() {
  const foot = document.createElement("footer"),
    button = document.createElement("button");
  button.className = "btn";
  button.textContent = "Close";
  button.addEventListener("click", () => one("#bulk-dialog").close());
  foot.append(button);
  return foot;
}
function show(panel, page) {
  const job = document.importNode(one("#job", page), true);
  for (const link of all("a.btn", job)) link.remove();
  const had = panel.contains(document.activeElement);
  panel.replaceChildren(job, closer());
  if (had || !one("[data-poll]", panel)) one("footer .btn", panel).focus({ preventScroll: true });
}

function wireDialog() {
  const dialog = one("#bulk-dialog"),
    form = one("#bulk-form");
  if (!dialog || dialog.dataset.wired) return;
  dialog.dataset.wired = "1";
  form.addEventListener("submit", (event) => {
    if (form.elements.act.value === "export") {
      setTimeout(() => dialog.close());
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    begin(dialog, form);
  });
  // Stop and undo stay in the panel, too.
  one("#bulk-progress").addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const { ok, page } = await load(event.target.action, { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
    const panel = one("#bulk-progress");
    if (!ok) return;
    const moved = one("#job", panel).dataset.url !== one("#job", page)?.dataset.url;
    show(panel, page);
    if (moved) follow(dialog, panel);
  });
  one("#bulk-progress").addEventListener("click", async (event) => {
    const link = event.target.closest(".seg a");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { ok, page } = await load(link.href);
    if (ok) show(one("#bulk-progress"), page);
  });
  dialog.addEventListener("close", () => {
    if (form.hidden) {
      all(".tick:checked, .tick-all").forEach((tick) => (tick.checked = false));
      one(".bulk")?.classList.remove("is-on");
      swap(location.href, ["#results"]);
    }
  });
}
async function follow(dialog, panel) {
  while (dialog.open && one("[data-poll]", panel)) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    const next = await load(one("#job", panel).dataset.url);
    if (next.ok && dialog.open) show(panel, next.page);
  }
}

// The page for everything that matches.
function wireConfirmation() {
  const form = one("#bulk-run");
  if (!form || form.dataset.wired) return;
  form.dataset.wired = "1";
  const offer = () => {
    const chosen = form.elements.act.selectedOptions[0],
      button = one(".confirm", form);
    button.textContent = describe(chosen.text, "of" in chosen.dataset, form.dataset.total, form.dataset.noun);
    button.classList.toggle("danger", "danger" in chosen.dataset);
    showOptions(form, chosen.value);
  };
  form.addEventListener("change", offer);
  offer();
}
wireDialog();
wireConfirmation();
