// The flow editor: ACE with the server's problems as marks and quick fixes, drafts, saving, and the picture beside the text.
import { makeEditor } from "./code_field.js";
import { toast } from "./console.js";

const place = document.querySelector("[data-editor]");
export const one = (selector) => document.querySelector(selector);
export const all = (selector) => [...document.querySelectorAll(selector)];
export const on = (target, kind, act, options) => target?.addEventListener(kind, act, options);
export const token = one("meta[name=csrf-token]").content;
const { ace, flow, kind, person = "" } = place.dataset;
const DASHBOARD = kind === "dashboard",
  READ_ONLY = "readonly" in place.dataset;

export const post = (url, body, type = "application/json") =>
  fetch(url, {
    method: "POST",
    headers: { "X-CSRFToken": token, "X-Fragment": "1", "Content-Type": type },
    body: typeof body === "string" ? body : JSON.stringify(body),
  }).catch(() => null);
export const fillAndTell = (target, html) => {
  fill(target, html);
  target.dispatchEvent(new Event("parts", { bubbles: true }));
};
const parse = (html) => new DOMParser().parseFromString(html, "text/html").body;
export const fill = (target, html) => target.replaceChildren(...parse(html).childNodes);
// What the server answers as data; of a page that says what is wrong, its words.
export async function read(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return { message: parse(text).querySelector("p")?.textContent };
  }
}
const make = (tag, className, textContent) => Object.assign(document.createElement(tag), { className, textContent, type: "button" });

export const editor = makeEditor(one("#editor"), ace, {
  value: one("#source").value,
  mode: "ace/mode/yaml",
  scrollPastEnd: 0.4,
  readOnly: READ_ONLY,
});
const { session } = editor;
editor.setOptions({ enableBasicAutocompletion: true, enableLiveAutocompletion: true });
editor.renderer.setScrollMargin(8, 8);
window.celestraEditor = editor;
// The line after the first one of an item stands below its key, not below its dash.
session.on("changeMode", () => {
  const mode = session.getMode(),
    usual = mode.getNextLineIndent;
  mode.getNextLineIndent = function (state, line, tab) {
    const item = /^(\s*)-\s+[\w.-]+\s*:(.*)$/.exec(line);
    return item ? `${item[1]}  ${item[2].trim() ? "" : "  "}` : usual.call(this, state, line, tab);
  };
});

// What completes is loaded when it is first needed: with the first key, or when a task is added.
let completer, loaded;
const loadCompleter = () =>
  (completer ||= (
    DASHBOARD
      ? import("./chart_editor.js").then((made) => made.startChartEditor(editor))
      : import("./completion.js").then((made) => made.makeCompleter())
  ).then((made) => (loaded = made)));
editor.completers = [
  {
    identifierRegexps: [/[\w.-]/],
    getCompletions: (...asked) =>
      loadCompleter().then(
        (made) => made.getCompletions(...asked),
        () => asked[4](null, []),
      ),
    getDocTooltip: (item) => loaded?.getDocTooltip?.(item),
  },
];
on(one("#add-form"), "focusin", loadCompleter);
if (DASHBOARD) on(editor.container, "pointerenter", loadCompleter, { once: true });

const Range = window.ace.require("ace/range").Range;
const first = editor.getValue();
let saved = flow ? first : "",
  base = Number(place.dataset.base),
  run = 0,
  problems = [],
  marks = [],
  runRows = [],
  taskLines = [];
// Drafts belong to a person: browsers are shared.
const draftKey = `draft:${person}:${flow || "new" + location.search.replace(/[?&](panel|open|fold|unfold)=[^&]*/g, "")}`;
const lineAt = () => editor.getCursorPosition().row + 1;
const isDirty = () => editor.getValue() !== saved;
// What a new flow begins with is nobody's work.
const isWork = () => isDirty() && (flow || editor.getValue() !== first);

// The text and the place of the cursor, as every question to the server carries them.
export const context = (more = {}) => {
  const { row, column } = editor.getCursorPosition();
  return { source: editor.getValue(), line: row + 1, column: column + 1, flow, ...more };
};

// Only what differs is replaced, so that cursor, folds and undo stay.
export function setText(text) {
  const old = editor.getValue(),
    doc = session.getDocument(),
    most = Math.min(old.length, text.length);
  let from = 0,
    end = 0;
  while (from < most && old[from] === text[from]) from += 1;
  while (end < most - from && old.at(-1 - end) === text.at(-1 - end)) end += 1;
  const a = doc.indexToPosition(from),
    b = doc.indexToPosition(old.length - end);
  session.replace(new Range(a.row, a.column, b.row, b.column), text.slice(from, text.length - end));
  return a.row;
}

export function goTo(line, column = 1) {
  editor.gotoLine(line, column - 1, true);
  editor.focus();
}

function showState() {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  one("#editor-state").textContent =
    `${count(errors, "error")}, ${count(problems.length - errors, "warning")}` + (isDirty() ? " · not saved" : "");
  place.toggleAttribute("data-dirty", isDirty());
}

function showProblems(found) {
  problems = found;
  marks.forEach((id) => session.removeMarker(id));
  marks = found.map(({ line, column, length, severity }) =>
    session.addMarker(new Range(line - 1, column - 1, line - 1, column - 1 + length), `squiggle ${severity}`, "text", true),
  );
  session.setAnnotations(
    found.map(({ line, column, severity, message, hint }) => ({
      row: line - 1,
      column: column - 1,
      type: /error|info/.test(severity) ? severity : "warning",
      text: `${message} ${hint || ""}`.trim(),
    })),
  );
  const rows = found.map((problem, number) => {
    const line = make("div", "problem"),
      row = make("button", ""),
      text = make("span", problem.severity, problem.message);
    line.dataset.number = number;
    if (problem.hint) text.append(" ", make("span", "hint", problem.hint));
    row.append(make("span", "at", `${problem.line}:${problem.column}`), text);
    line.append(row);
    if (problem.fix) line.append(make("button", "btn small fix", problem.fix.title));
    return line;
  });
  one("#problems").replaceChildren(...(rows.length ? rows : [make("p", "", "No problems.")]));
  showState();
}
on(one("#problems"), "click", ({ target }) => {
  const problem = problems[target.closest(".problem")?.dataset.number];
  if (!problem) return;
  if (target.matches(".fix")) {
    const { from, to, text } = problem.fix;
    session.replace(new Range(from[0] - 1, from[1] - 1, to[0] - 1, to[1] - 1), text);
    goTo(...from);
  } else goTo(problem.line, problem.column);
});

async function check() {
  const mine = ++run,
    answer = await post(place.dataset.check || "/ui/flows/check" + location.search, editor.getValue(), "text/plain");
  // An answer to an older text would put marks at the wrong places.
  if (mine !== run || !answer?.ok) return;
  const found = await answer.json(),
    canvas = one("#picture"),
    { picture, tasks } = found;
  showProblems(found.problems);
  canvas.classList.toggle("is-old", !picture);
  one("#picture-state").textContent = picture
    ? ""
    : canvas.firstChild
      ? "showing the last valid version"
      : "drawn as soon as the text is valid";
  if (tasks) {
    taskLines = tasks;
    runRows.forEach((row) => session.removeGutterDecoration(row, "run-mark"));
    runRows = READ_ONLY ? [] : tasks.filter(([, , isTrigger]) => !isTrigger).map(([line]) => line - 1);
    runRows.forEach((row) => session.addGutterDecoration(row, "run-mark"));
  }
  if (picture) {
    fillAndTell(canvas, picture);
    lightNode(false);
  }
  document.dispatchEvent(new Event("checked"));
}

// The task (or trigger) around the cursor: [line, id, is it a trigger].
export function elementAt(line = lineAt()) {
  const found = taskLines.filter(([start]) => start <= line).at(-1),
    text = session.getLine(line - 1) || "";
  return found && (/^\s|^-/.test(text) || !text) ? found : null;
}

function lightNode(scrolls = true) {
  all("#picture .is-lit").forEach((node) => node.classList.remove("is-lit"));
  const [line, id, isTrigger] = elementAt() || [],
    node = isTrigger ? one(`#picture .is-trigger[data-line="${line}"]`) : document.getElementById(`n-${id}`);
  node?.classList.add("is-lit");
  const canvas = one("#picture"),
    box = node?.getBoundingClientRect(),
    frame = canvas.getBoundingClientRect();
  if (scrolls && box && (box.top < frame.top || box.bottom > frame.bottom))
    canvas.scrollBy({ top: box.top - frame.top - frame.height / 3 });
}

let isDraft;
async function save(overwrite = false, draft = false) {
  isDraft = draft;
  const source = editor.getValue(),
    words = one("#save-message"),
    revisions = `/ui/flows/edit/${flow}/revisions?from=${base}`,
    answer = await post(place.dataset.save || "/ui/flows/save", { source, base, flow, overwrite, draft, message: words?.value });
  if (!answer) return toast("The server does not answer; the text is kept here.", "bad");
  const found = await read(answer);
  if (found.url) {
    saved = source;
    if (words) words.value = "";
    localStorage.removeItem(draftKey);
    if (!base || DASHBOARD) {
      location = found.url;
      return;
    }
    toast(
      found.changed
        ? `${draft ? "Draft" : "Revision"} ${found.revision} saved`
        : "Nothing changed: the text is the newest revision already",
      "",
      found.changed && { text: "see the difference", url: `${revisions}&to=${found.revision}` },
    );
    base = found.revision;
    showState();
  } else if (found.code === "edit-conflict") {
    one("#conflict-text").textContent = found.message;
    one("#conflict-difference").href = revisions;
    one("#conflict-dialog").showModal();
  } else {
    if (found.problems?.length) {
      showProblems(found.problems);
      editor.gotoLine(problems[0].line, problems[0].column - 1);
      one("#problems button").focus();
    }
    const said = found.message?.slice(0, 400) || "The server could not save it.";
    toast(found.code ? said : `${said} The text is kept here.`, "bad");
  }
}

// Nothing that grows with the text or the picture happens with each key: it waits for a pause in typing.
const timers = {};
function later(name, wait, act) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(act, wait);
}
session.on("change", () => {
  later("check", session.getLength() > 2000 ? 600 : 180, check);
  later("keep", 120, keepDraft);
});
function keepDraft() {
  clearTimeout(timers.keep);
  if (isWork())
    localStorage.setItem(draftKey, JSON.stringify({ text: editor.getValue(), at: Date.now(), base }));
  // A draft that is still offered is not lost by looking at the page.
  else if (!one(".draft")) localStorage.removeItem(draftKey);
  showState();
}
on(window, "pagehide", keepDraft);
editor.selection.on("changeCursor", () => later("light", 60, lightNode));
on(one("#save"), "click", () => save());
on(one("#save-draft"), "click", () => save(false, true));
on(one("#conflict-overwrite"), "click", () => {
  one("#conflict-dialog").close();
  save(true, isDraft);
});
on(window, "keydown", (event) => {
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "s") {
    event.preventDefault();
    save();
  }
  if (key === "F8" && problems.length) {
    event.preventDefault();
    const next = problems.find(({ line }) => line > lineAt()) || problems[0];
    goTo(next.line, next.column);
  }
});
on(window, "beforeunload", (event) => {
  if (isWork()) event.preventDefault();
});
for (const kind of ["click", "keydown"])
  on(one("#picture"), kind, (event) => {
    const { target, key = "Enter" } = event,
      node = target.closest("[data-line]"),
      link = kind === "click" && target.closest(".topology [data-part]");
    if (node && key === "Enter") goTo(Number(node.dataset.line));
    if (!link) return;
    // Groups and calls are folded and opened by the next check of the text: the picture is of what stands there now.
    event.preventDefault();
    event.stopPropagation();
    history.replaceState(null, "", link.href.baseVal || location.pathname);
    check();
  });

// The line between the columns is moved by hand or by the arrow keys; its place is remembered.
const bar = one(".split input");
// The account keeps it for other browsers.
export const keepChoice = (name, value) =>
  post("/ui/settings", `${new URLSearchParams({ name, value })}`, "application/x-www-form-urlencoded");
function split(share) {
  bar.value = share;
  place.style.setProperty("--split", `${bar.value}%`);
  localStorage.setItem("editor-split", bar.value);
  editor.resize();
}
split(localStorage.getItem("editor-split") || bar.value);
on(bar, "input", () => split(bar.value));
on(bar, "change", () => keepChoice("editor-split", bar.value));
on(bar, "dblclick", () => split(50));

function offerDraft() {
  const draft = JSON.parse(localStorage.getItem(draftKey));
  if (!draft || draft.text === first) return;
  const at = new Date(draft.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
    other = draft.base && draft.base !== base ? `, made on revision ${draft.base}` : "",
    note = make("div", "note warn draft", `There is a draft of ${at} that was not saved${other}. `);
  for (const [word, act] of [
    ["Restore it", () => void setText(draft.text)],
    ["See the difference", !DASHBOARD && (() => panels.show("difference", { source: draft.text }))],
    ["Drop it", () => localStorage.removeItem(draftKey)],
  ]) {
    if (!act) continue;
    const button = make("button", "btn small", word);
    on(button, "click", () => act() || note.remove());
    note.append(button);
  }
  place.before(note);
}

let panels;
if (!DASHBOARD) import("./panels.js").then(({ startPanels }) => (panels = startPanels()));
offerDraft();
const wanted = Number(new URLSearchParams(location.search).get("line"));
if (wanted) goTo(wanted);
else editor.focus();
check();
