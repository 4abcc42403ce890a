// The flow editor: ACE with the server's problems as marks and quick fixes, drafts, saving, and the picture beside the text.
import { toast } from "./console.js";
import { startPanels } from "./panels.js";

const place = document.querySelector("[data-editor]");
const one = (selector) => document.querySelector(selector);
const token = one("meta[name=csrf-token]").content;
const themes = { light: "ace/theme/github_light_default", dark: "ace/theme/one_dark" };
const DASHBOARD = place.dataset.kind === "dashboard";

export const post = (url, body) =>
  fetch(url, {
    method: "POST",
    headers: { "X-CSRFToken": token, "X-Fragment": "1", "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

function start() {
  const ace = window.ace;
  // Styles come as files: the page allows none that a script writes.
  ace.config.set("useStrictCSP", true);
  ace.config.set("basePath", place.dataset.ace);
  ace.config.set("loadWorkerFromBlob", false);
  const size = Number(document.documentElement.dataset.editorSize || localStorage.getItem("editor-size")) || 13;
  const editor = ace.edit("editor", {
    value: one("#source").value,
    tabSize: 2,
    useSoftTabs: true,
    fontSize: size,
    showPrintMargin: false,
    useWorker: false,
    scrollPastEnd: 0.4,
    displayIndentGuides: true,
    highlightActiveLine: true,
    readOnly: "readonly" in place.dataset,
  });
  editor.session.setMode("ace/mode/yaml");
  editor.setTheme(themes[document.documentElement.dataset.theme]);
  editor.setOptions({ enableBasicAutocompletion: true, enableLiveAutocompletion: true, enableKeyboardAccessibility: true });
  const keys = localStorage.getItem("editor-keys");
  if (keys) editor.setKeyboardHandler("ace/keyboard/" + keys);
  // The line after the first one of an item stands below its key, not below its dash.
  editor.session.on("changeMode", () => {
    const mode = editor.session.getMode(),
      usual = mode.getNextLineIndent;
    mode.getNextLineIndent = function (state, line, tab) {
      const item = /^(\s*)-\s+[\w.-]+\s*:(.*)$/.exec(line);
      return item ? `${item[1]}  ${/^\s*$/.test(item[2]) ? "  " : ""}` : usual.call(this, state, line, tab);
    };
  });
  document.addEventListener("theme", () => editor.setTheme(themes[document.documentElement.dataset.theme]));
  editor.renderer.setScrollMargin(8, 8);
  window.celestraEditor = editor;
  return editor;
}

const editor = start();

// What completes is loaded when it is first needed: with the first key, or when a task is added.
let completer, loaded;
const loadCompleter = () =>
  (completer ||= (
    DASHBOARD
      ? import("./chart_editor.js").then((made) => made.startChartEditor(editor))
      : import("./completion.js").then((made) => made.makeCompleter(editor, context, post))
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
one("#add-form")?.addEventListener("focusin", loadCompleter);
if (DASHBOARD) editor.container.addEventListener("pointerenter", loadCompleter, { once: true });
const Range = window.ace.require("ace/range").Range;
let saved = place.dataset.flow ? editor.getValue() : "",
  base = Number(place.dataset.base),
  run = 0,
  problems = [],
  lines = {},
  marks = [],
  runRows = [];
const draftKey = "draft:" + (place.dataset.flow || "new" + location.search);
const isDirty = () => editor.getValue() !== saved;

// The text and the place of the cursor, as every question to the server carries them.
export const context = (more = {}) => {
  const { row, column } = editor.getCursorPosition();
  return { source: editor.getValue(), line: row + 1, column: column + 1, flow: place.dataset.flow, ...more };
};

// Only what differs is replaced, so that cursor, folds and undo stay.
export function setText(text) {
  const old = editor.getValue(),
    doc = editor.session.getDocument();
  let from = 0,
    end = 0;
  while (from < Math.min(old.length, text.length) && old[from] === text[from]) from += 1;
  while (end < Math.min(old.length, text.length) - from && old[old.length - 1 - end] === text[text.length - 1 - end]) end += 1;
  const a = doc.indexToPosition(from),
    b = doc.indexToPosition(old.length - end);
  editor.session.replace(new Range(a.row, a.column, b.row, b.column), text.slice(from, text.length - end));
  return a.row;
}

function showState() {
  const errors = problems.filter((problem) => problem.severity === "error").length,
    warnings = problems.length - errors;
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  one("#editor-state").textContent =
    `${count(errors, "error")}, ${count(warnings, "warning")}` + (isDirty() ? " · not saved" : "");
}

function showProblems() {
  marks.forEach((id) => editor.session.removeMarker(id));
  marks = problems.map(({ line, column, length, severity }) =>
    editor.session.addMarker(
      new Range(line - 1, column - 1, line - 1, column - 1 + length),
      `squiggle ${severity}`,
      "text",
      true,
    ),
  );
  editor.session.setAnnotations(
    problems.map((problem) => ({
      row: problem.line - 1,
      column: problem.column - 1,
      type: problem.severity === "error" ? "error" : problem.severity === "info" ? "info" : "warning",
      text: [problem.message, problem.hint].filter(Boolean).join(" "),
    })),
  );
  one("#problems").replaceChildren(
    ...(problems.length
      ? problems.map((problem) => {
          const line = document.createElement("div"),
            row = document.createElement("button"),
            at = document.createElement("span"),
            text = document.createElement("span");
          line.className = "problem";
          row.type = "button";
          at.className = "at";
          at.textContent = `${problem.line}:${problem.column}`;
          text.className = problem.severity;
          text.textContent = problem.message;
          if (problem.hint) {
            const hint = Object.assign(document.createElement("span"), { className: "hint", textContent: problem.hint });
            text.append(" ", hint);
          }
          row.append(at, text);
          row.addEventListener("click", () => goTo(problem.line, problem.column));
          line.append(row);
          if (problem.fix) {
            const mend = Object.assign(document.createElement("button"), {
              type: "button",
              className: "btn small fix",
              textContent: problem.fix.title,
            });
            mend.addEventListener("click", () => {
              const { from, to, text: fresh } = problem.fix;
              editor.session.replace(new Range(from[0] - 1, from[1] - 1, to[0] - 1, to[1] - 1), fresh);
              goTo(from[0], from[1]);
            });
            line.append(mend);
          }
          return line;
        })
      : [Object.assign(document.createElement("p"), { textContent: "No problems." })]),
  );
  showState();
}

export function goTo(line, column = 1) {
  editor.gotoLine(line, column - 1, true);
  editor.focus();
}

function showRunMarks(tasks) {
  runRows.forEach((row) => editor.session.removeGutterDecoration(row, "run-mark"));
  runRows = tasks.filter(([, , isTrigger]) => !isTrigger).map(([line]) => line - 1);
  runRows.forEach((row) => editor.session.addGutterDecoration(row, "run-mark"));
}

async function check() {
  const mine = ++run,
    source = editor.getValue();
  let answer;
  try {
    answer = await fetch(place.dataset.check || "/ui/flows/check", {
      method: "POST",
      body: source,
      headers: { "X-CSRFToken": token, "X-Fragment": "1", "Content-Type": "text/plain" },
    });
  } catch {
    return;
  }
  // An answer to an older text would put marks at the wrong places.
  if (mine !== run || !answer.ok) return;
  const found = await answer.json();
  problems = found.problems;
  showProblems();
  const canvas = one("#picture");
  canvas.classList.toggle("is-old", !found.picture);
  one("#picture-state").textContent = found.picture
    ? ""
    : canvas.firstChild
      ? "showing the last valid version"
      : "drawn as soon as the text is valid";
  if (found.picture) {
    lines = found.lines || {};
    canvas.replaceChildren(
      ...[...new DOMParser().parseFromString(found.picture, "text/html").body.childNodes].map((node) =>
        document.importNode(node, true),
      ),
    );
    lightNode(false);
    canvas.dispatchEvent(new Event("parts", { bubbles: true }));
  }
  if (found.tasks) {
    taskLines = found.tasks;
    showRunMarks(found.tasks);
  }
  document.dispatchEvent(new Event("checked"));
}

let taskLines = [];
// The task (or trigger) around a line: [line, id, is it a trigger].
export function elementAt(line) {
  const before = taskLines.filter((task) => task[0] <= line);
  const found = before[before.length - 1];
  const top = editor.session.getLine(line - 1) || "";
  return found && (/^\s|^-/.test(top) || !top) ? found : null;
}

function lightNode(scrolls = true) {
  const row = editor.getCursorPosition().row + 1;
  const found = Object.entries(lines)
    .filter(([, line]) => line <= row)
    .sort((a, b) => b[1] - a[1])[0];
  document.querySelectorAll("#picture .is-lit").forEach((node) => node.classList.remove("is-lit"));
  const node = found && document.getElementById(`n-${found[0]}`);
  node?.classList.add("is-lit");
  const canvas = one("#picture"),
    box = node?.getBoundingClientRect(),
    frame = canvas.getBoundingClientRect();
  if (scrolls && box && (box.top < frame.top || box.bottom > frame.bottom))
    canvas.scrollBy({ top: box.top - frame.top - frame.height / 3 });
}

async function save(overwrite = false) {
  const source = editor.getValue(),
    words = one("#save-message");
  const body = { source, base, flow: place.dataset.flow, overwrite, message: words?.value };
  const answer = await post(place.dataset.save || "/ui/flows/save", body).catch(() => null);
  if (!answer) return toast("The server does not answer; the text is kept here.", "bad");
  const found = await answer
    .json()
    .catch(() => ({ message: "Your session has ended: sign in in another tab, then save again." }));
  if (answer.ok) {
    saved = source;
    if (words) words.value = "";
    localStorage.removeItem(draftKey);
    if (!base || DASHBOARD) {
      location = found.url;
      return;
    }
    toast(
      found.changed ? `Revision ${found.revision} saved` : "Nothing changed: the text is the newest revision already",
      "",
      found.changed && {
        text: "see the difference",
        url: `/ui/flows/edit/${place.dataset.flow}/revisions?from=${base}&to=${found.revision}`,
      },
    );
    base = found.revision;
    showState();
  } else if (found.code === "edit-conflict") {
    one("#conflict-text").textContent = found.message;
    one("#conflict-difference").href = `/ui/flows/edit/${place.dataset.flow}/revisions?from=${base}`;
    one("#conflict-dialog").showModal();
  } else {
    if (found.problems?.length) {
      problems = found.problems;
      showProblems();
      goTo(problems[0].line, problems[0].column);
    }
    toast(found.message.slice(0, 400), "bad");
  }
}

let timer;
editor.session.on("change", () => {
  clearTimeout(timer);
  timer = setTimeout(check, editor.session.getLength() > 2000 ? 600 : 180);
  clearTimeout(keepTimer);
  keepTimer = setTimeout(keepDraft, 120);
});
// Nothing that grows with the text or the picture happens with each key: it waits for a pause in typing.
let keepTimer, lightTimer;
function keepDraft() {
  clearTimeout(keepTimer);
  if (isDirty()) localStorage.setItem(draftKey, JSON.stringify({ text: editor.getValue(), at: Date.now(), base }));
  else localStorage.removeItem(draftKey);
  showState();
}
addEventListener("pagehide", keepDraft);
editor.selection.on("changeCursor", () => {
  clearTimeout(lightTimer);
  lightTimer = setTimeout(lightNode, 60);
});
one("#save")?.addEventListener("click", () => save());
one("#conflict-overwrite")?.addEventListener("click", () => {
  one("#conflict-dialog").close();
  save(true);
});
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    event.preventDefault();
    save();
  }
  if (event.key === "F8" && problems.length) {
    event.preventDefault();
    const row = editor.getCursorPosition().row + 1;
    const next = problems.find((problem) => problem.line > row) || problems[0];
    goTo(next.line, next.column);
  }
});
addEventListener("beforeunload", (event) => {
  if (place.dataset.flow && isDirty()) event.preventDefault();
});
for (const kind of ["click", "keydown"])
  one("#picture").addEventListener(kind, (event) => {
    const node = event.target.closest("[data-line]");
    if (node && (kind === "click" || event.key === "Enter")) goTo(Number(node.dataset.line));
  });

// The line between the columns can be dragged, or moved with the arrow keys; its place is remembered.
function startSplit() {
  const bar = one(".split");
  if (!bar) return;
  const set = (share) => {
    const kept = Math.min(80, Math.max(20, Math.round(share)));
    place.style.setProperty("--split", `${kept}%`);
    bar.setAttribute("aria-valuenow", kept);
    localStorage.setItem("editor-split", kept);
    editor.resize();
  };
  const kept = () => Number(localStorage.getItem("editor-split")) || 50;
  if (kept() !== 50) set(kept());
  const drag = (event) => {
    const frame = place.getBoundingClientRect();
    set(((event.clientX - frame.left) / frame.width) * 100);
  };
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    bar.addEventListener("pointermove", drag);
    bar.addEventListener("pointerup", () => bar.removeEventListener("pointermove", drag), { once: true });
  });
  bar.addEventListener("dblclick", () => set(50));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
    if (step) set(kept() + step);
  });
}

function offerDraft() {
  const draft = JSON.parse(localStorage.getItem(draftKey) || "null");
  if (!draft || draft.text === editor.getValue()) return;
  const note = document.createElement("div"),
    button = (text, act) => {
      const made = Object.assign(document.createElement("button"), { className: "btn small", textContent: text });
      made.addEventListener("click", act);
      return made;
    };
  note.className = "note warn draft";
  note.textContent = `There is a draft of ${new Date(draft.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })} that was not saved${draft.base && draft.base !== base ? `, made on revision ${draft.base}` : ""}. `;
  note.append(
    button("Restore it", () => {
      setText(draft.text);
      note.remove();
    }),
  );
  if (!DASHBOARD) note.append(button("See the difference", () => panels.show("difference", { source: draft.text })));
  note.append(
    button("Drop it", () => {
      localStorage.removeItem(draftKey);
      note.remove();
    }),
  );
  place.before(note);
}

const panels = DASHBOARD ? null : startPanels({ editor, context, post, setText, goTo, elementAt, token });
offerDraft();
startSplit();
const wanted = Number(new URLSearchParams(location.search).get("line"));
if (wanted) goTo(wanted);
else editor.focus();
check();
