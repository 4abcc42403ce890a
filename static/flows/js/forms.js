// Forms of inputs: the server checks while one types, and only what it says anew is replaced, so that focus and text stay.
import { load } from "./console.js";

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const AFTER_MS = 280;

const touchedOf = (form) => new Set((form.dataset.touched || "").split("\n").filter(Boolean));
function touch(form, name) {
  const names = touchedOf(form);
  if (names.has(name)) return;
  form.dataset.touched = [...names, name].join("\n");
}

// What the server would render by itself is not sent, so that defaults follow the inputs that they depend on.
export function readForm(form) {
  const body = new FormData(form),
    touched = touchedOf(form);
  for (const [name, value] of [...body])
    if (value instanceof File || (name.startsWith("in.") && !touched.has(name.replace(/\+$/, "")))) body.delete(name);
  for (const name of touched) body.append("touched", name);
  return body;
}

let asked = 0;
async function check(form) {
  if (!form.dataset.fieldsUrl) return;
  const mine = ++asked;
  const { ok, page } = await load(form.dataset.fieldsUrl, { method: "POST", body: readForm(form) });
  if (ok && mine === asked) adopt(form, page);
}

function adopt(form, page) {
  const fields = one(".fields", form),
    fresh = all(".fields .field[data-field]", page),
    touched = touchedOf(form);
  const kept = new Set(fresh.map((field) => field.dataset.field));
  for (const old of all(".field[data-field]", fields)) if (!kept.has(old.dataset.field)) old.remove();
  let before = null;
  for (const field of fresh) {
    const old = one(`.field[data-field="${CSS.escape(field.dataset.field)}"]`, fields);
    const isOther = old?.dataset.shape !== field.dataset.shape;
    const isStale = !touched.has(`in.${field.dataset.field}`) && old?.dataset.value !== field.dataset.value;
    if (old && (old.contains(document.activeElement) || !(isOther || isStale))) {
      one(".field-say", old).replaceWith(document.importNode(one(".field-say", field), true));
      const isBad = field.classList.contains("is-bad");
      old.classList.toggle("is-bad", isBad);
      for (const said of all("[aria-describedby]", old)) said.ariaInvalid = String(isBad);
      markFaults(old);
      before = old;
    } else {
      const adopted = document.importNode(field, true);
      if (old) old.replaceWith(adopted);
      else if (before) before.after(adopted);
      else fields.prepend(adopted);
      before = adopted;
    }
  }
  for (const part of [".checks", ".as-call", ".schedule-say"]) {
    const root = form.closest("[data-start]") || form;
    const now = one(part, page),
      old = one(part, root);
    if (now && old) old.replaceWith(document.importNode(now, true));
  }
}

// What the server says of a text with code stands beside the line that it means.
function markFaults(field) {
  const session = one(".small-ace", field)?.env?.editor.session,
    faults = all(".error[data-line]", field).map((said) => ({
      row: said.dataset.line - 1,
      column: said.dataset.column - 1,
      type: "error",
      text: said.textContent.trim(),
    }));
  if (!session) return;
  session.setAnnotations(faults);
  for (const { id, clazz } of Object.values(session.getMarkers())) if (clazz === "fault-line") session.removeMarker(id);
  for (const { row } of faults) session.highlightLines(row, row, "fault-line");
}

// A list of values: Enter or a comma adds the typed one, Backspace in an empty field takes the last one away.
function addValue(field, name) {
  const words = field.value
    .split(/[,\n]/)
    .map((word) => word.trim())
    .filter(Boolean);
  field.value = "";
  for (const word of words) {
    const group = field.closest(".picks");
    const held = all("input[type=checkbox]", group).find((box) => box.value === word);
    if (held) {
      held.checked = true;
      continue;
    }
    const label = document.createElement("label"),
      box = Object.assign(document.createElement("input"), { type: "checkbox", name, value: word, checked: true }),
      text = document.createElement("span");
    label.className = "pick-chip";
    text.textContent = word;
    label.append(box, text);
    one(".pick-list", group).append(label);
  }
}
function onPickKey(event) {
  const field = event.target;
  if (field.matches("[data-add]")) {
    const name = field.dataset.add;
    if ((event.key === "Enter" || event.key === ",") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (field.value.trim()) {
        addValue(field, name);
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }
    } else if (event.key === "Backspace" && !field.value) {
      const last = all(".pick-chip input:checked", field.closest(".picks")).pop();
      if (last) {
        last.checked = false;
        last.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }
  } else if (field.matches("[data-pick-search]")) {
    const shown = all(".pick-chip:not([hidden]) input", field.closest(".picks"));
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (field.value.trim() && shown.length) shown[0].click();
    } else if (event.key === "ArrowDown" && shown.length) {
      event.preventDefault();
      shown[0].focus();
    }
  } else if (field.closest(".pick-chip") && ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"].includes(event.key)) {
    event.preventDefault();
    const boxes = all(".pick-chip:not([hidden]) input", field.closest(".picks"));
    const next = boxes.indexOf(field) + (event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1);
    (boxes[next] || one("[data-pick-search]", field.closest(".picks")))?.focus();
  }
}
function searchPicks(field) {
  const wanted = field.value.trim().toLowerCase();
  const place = field.closest(".picks, .with-search");
  for (const chip of all(".pick-chip", place)) chip.hidden = !chip.textContent.toLowerCase().includes(wanted);
  for (const option of all("option[value]:not([value=''])", place)) option.hidden = !option.text.toLowerCase().includes(wanted);
}

function writeSize(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let number = bytes,
    unit = 0;
  while (number >= 1000 && unit < 3) {
    number /= 1000;
    unit += 1;
  }
  return `${unit ? number.toFixed(1) : number} ${units[unit]}`;
}
function tellFile(input) {
  const say = one(".drop-say", input.closest(".drop-zone")),
    file = input.files[0];
  say.textContent = file ? `${file.name}, ${writeSize(file.size)}` : say.dataset.empty;
  input.closest(".drop-zone").classList.toggle("is-full", Boolean(file));
}

// Text and native picker of a date: what is picked is written into the text.
const PARTS = { date: [0, 10], time: [11, 19], "datetime-local": [0, 16] };
function showPicker(button) {
  const picker = one("input.picker", button.parentElement),
    text = one("input:not(.picker)", button.parentElement),
    shown = one(".resolved time", button.closest(".field"))?.dateTime || text.value;
  const [from, to] = PARTS[picker.type];
  picker.value = picker.type === "time" ? text.value : shown.slice(from, to);
  picker.onchange = () => {
    text.value = picker.type === "datetime-local" ? `${picker.value}:00Z`.replace(/(:\d\d:\d\d):00Z$/, "$1Z") : picker.value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
    text.focus();
  };
  picker.showPicker?.();
}

function isChanged({ type, checked, defaultChecked, options, selectedIndex, value, defaultValue }) {
  if (type === "radio" || type === "checkbox") return checked !== defaultChecked;
  if (options) return selectedIndex !== Math.max(0, [...options].findIndex((option) => option.defaultSelected));
  return defaultValue !== undefined && value !== defaultValue;
}

export function wireForm(form) {
  if (form.dataset.wired) return;
  form.dataset.wired = "1";
  for (const field of all("[data-given]", form)) touch(form, `in.${field.dataset.field}`);
  let timer;
  const later = (event, wait) => {
    const name = event.target.name || event.target.dataset.add || "";
    if (event.target.matches("[data-pick-search]")) return searchPicks(event.target);
    if (event.target.matches(".picker")) return;
    form.dataset.dirty = "1";
    if (name.startsWith("in.")) touch(form, name.replace(/\+$/, ""));
    clearTimeout(timer);
    timer = setTimeout(() => check(form), wait);
  };
  form.addEventListener("input", (event) => later(event, AFTER_MS));
  form.addEventListener("change", (event) => {
    if (event.target.type === "file") tellFile(event.target);
    later(event, 30);
  });
  form.addEventListener("keydown", onPickKey);
  form.addEventListener("grown", ({ target }) => markFaults(target.closest(".field")));
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-picker]");
    if (button) showPicker(button);
  });
  for (const kind of ["dragover", "dragleave", "drop"])
    form.addEventListener(kind, (event) => {
      const zone = event.target.closest?.(".drop-zone");
      if (!zone) return;
      event.stopPropagation();
      zone.classList.toggle("is-over", kind === "dragover");
      if (kind === "dragleave") return;
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) {
        const input = one("input[type=file]", zone);
        const held = new DataTransfer();
        held.items.add(event.dataTransfer.files[0]);
        input.files = held.files;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  // What somebody typed or chose before this script came counts as well.
  for (const field of form.elements)
    if (field.name?.startsWith("in.") && isChanged(field)) field.dispatchEvent(new Event("input", { bubbles: true }));
  if (form.closest("[data-start]")) import("./execute.js").then(({ wireStart }) => wireStart(form));
}
