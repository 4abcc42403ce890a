// The flow editor: ACE with the server's problems as marks, completion from one index, and the picture beside it.
import { toast } from "./console.js";
import { makeCompleter } from "./completion.js";

const place = document.querySelector("[data-editor]");
const one = (selector) => document.querySelector(selector);
const token = one("meta[name=csrf-token]").content;
const themes = { light: "ace/theme/github_light_default", dark: "ace/theme/one_dark" };

function start() {
  const ace = window.ace;
  // Styles come as files: the page allows none that a script writes.
  ace.config.set("useStrictCSP", true);
  ace.config.set("basePath", place.dataset.ace);
  ace.config.set("loadWorkerFromBlob", false);
  const editor = ace.edit("editor", { value: one("#source").value, tabSize: 2, useSoftTabs: true, fontSize: 13, showPrintMargin: false, useWorker: false, scrollPastEnd: 0.4, displayIndentGuides: true, highlightActiveLine: true });
  editor.session.setMode("ace/mode/yaml");
  editor.setTheme(themes[document.documentElement.dataset.theme]);
  editor.setOptions({ enableBasicAutocompletion: true, enableLiveAutocompletion: true, enableKeyboardAccessibility: true });
  const keys = localStorage.getItem("editor-keys");
  if (keys) editor.setKeyboardHandler("ace/keyboard/" + keys);
  document.addEventListener("theme", () => editor.setTheme(themes[document.documentElement.dataset.theme]));
  editor.renderer.setScrollMargin(8, 8);
  window.celestraEditor = editor;
  return editor;
}

const editor = start();
const Range = window.ace.require("ace/range").Range;
makeCompleter(editor);

let saved = place.dataset.flow ? editor.getValue() : "", base = Number(place.dataset.base), run = 0, problems = [], lines = {}, marks = [];
const draftKey = "draft:" + (place.dataset.flow || "new");
const isDirty = () => editor.getValue() !== saved;

function showState() {
  const errors = problems.filter((problem) => problem.severity === "error").length, warnings = problems.length - errors;
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  one("#editor-state").textContent = `${count(errors, "error")}, ${count(warnings, "warning")}` + (isDirty() ? " · not saved" : "");
}

function showProblems() {
  marks.forEach((id) => editor.session.removeMarker(id));
  marks = problems.map(({ line, column, length, severity }) =>
    editor.session.addMarker(new Range(line - 1, column - 1, line - 1, column - 1 + length), `squiggle ${severity}`, "text", true));
  editor.session.setAnnotations(problems.map((problem) => ({
    row: problem.line - 1, column: problem.column - 1, type: problem.severity === "error" ? "error" : problem.severity === "info" ? "info" : "warning",
    text: [problem.message, problem.hint].filter(Boolean).join(" "),
  })));
  one("#problems").replaceChildren(...(problems.length ? problems.map((problem) => {
    const row = document.createElement("button"), at = document.createElement("span"), text = document.createElement("span");
    row.type = "button";
    at.className = "at";
    at.textContent = `${problem.line}:${problem.column}`;
    text.className = problem.severity;
    text.textContent = [problem.message, problem.hint].filter(Boolean).join(" ");
    row.append(at, text);
    row.addEventListener("click", () => goTo(problem.line, problem.column));
    return row;
  }) : [Object.assign(document.createElement("p"), { textContent: "No problems." })]));
  showState();
}

export function goTo(line, column = 1) {
  editor.gotoLine(line, column - 1, true);
  editor.focus();
}

async function check() {
  const mine = ++run, source = editor.getValue();
  let answer;
  try {
    answer = await fetch("/ui/flows/check", { method: "POST", body: source, headers: { "X-CSRFToken": token, "X-Fragment": "1", "Content-Type": "text/plain" } });
  } catch { return; }
  // An answer to an older text would put marks at the wrong places.
  if (mine !== run || !answer.ok) return;
  const found = await answer.json();
  problems = found.problems;
  showProblems();
  const canvas = one("#picture");
  canvas.classList.toggle("is-old", !found.picture);
  one("#picture-state").textContent = found.picture ? "" : canvas.firstChild ? "showing the last valid version" : "drawn as soon as the text is valid";
  if (found.picture) {
    lines = found.lines;
    canvas.replaceChildren(document.importNode(new DOMParser().parseFromString(found.picture, "text/html").body.firstChild, true));
    lightNode();
  }
}

function lightNode() {
  const row = editor.getCursorPosition().row + 1;
  const found = Object.entries(lines).filter(([, line]) => line <= row).sort((a, b) => b[1] - a[1])[0];
  document.querySelectorAll("#picture .is-lit").forEach((node) => node.classList.remove("is-lit"));
  if (found) document.getElementById(`n-${found[0]}`)?.classList.add("is-lit");
}

async function save(overwrite = false) {
  const source = editor.getValue();
  const answer = await fetch("/ui/flows/save", { method: "POST", headers: { "X-CSRFToken": token, "X-Fragment": "1", "Content-Type": "application/json" }, body: JSON.stringify({ source, base, flow: place.dataset.flow, overwrite }) }).catch(() => null);
  if (!answer) return toast("The server does not answer; the text is kept here.", "bad");
  const found = await answer.json().catch(() => ({ message: "Your session has ended: sign in in another tab, then save again." }));
  if (answer.ok) {
    saved = source;
    localStorage.removeItem(draftKey);
    if (!base) { location = found.url; return; }
    toast(found.changed ? `Revision ${found.revision} saved` : "Nothing changed: the text is the newest revision already");
    base = found.revision;
    showState();
  } else if (found.code === "edit-conflict") {
    one("#conflict-text").textContent = found.message;
    one("#conflict-difference").href = `/ui/flows/edit/${place.dataset.flow}/revisions`;
    one("#conflict-dialog").showModal();
  } else {
    if (found.problems?.length) { problems = found.problems; showProblems(); goTo(problems[0].line, problems[0].column); }
    toast(found.message.slice(0, 400), "bad");
  }
}

let timer;
editor.session.on("change", () => {
  clearTimeout(timer);
  timer = setTimeout(check, editor.session.getLength() > 2000 ? 600 : 180);
  if (isDirty()) localStorage.setItem(draftKey, JSON.stringify({ text: editor.getValue(), at: Date.now(), base })); else localStorage.removeItem(draftKey);
  showState();
});
editor.selection.on("changeCursor", lightNode);
one("#save").addEventListener("click", () => save());
one("#conflict-overwrite").addEventListener("click", () => { one("#conflict-dialog").close(); save(true); });
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); save(); }
  if (event.key === "F8" && problems.length) {
    const row = editor.getCursorPosition().row + 1;
    const next = problems.find((problem) => problem.line > row) || problems[0];
    goTo(next.line, next.column);
  }
});
addEventListener("beforeunload", (event) => { if (place.dataset.flow && isDirty()) event.preventDefault(); });
one("#picture").addEventListener("click", (event) => {
  const node = event.target.closest("[data-line]");
  if (node) goTo(Number(node.dataset.line));
});

const draft = JSON.parse(localStorage.getItem(draftKey) || "null");
if (draft && draft.text !== editor.getValue()) {
  const note = document.createElement("div"), button = document.createElement("button");
  note.className = "note warn";
  note.textContent = `There is a draft of ${new Date(draft.at).toLocaleString()} that was not saved. `;
  button.className = "btn small";
  button.textContent = "Restore it";
  button.addEventListener("click", () => { editor.setValue(draft.text, -1); note.remove(); });
  note.append(button);
  place.before(note);
}
const wanted = Number(new URLSearchParams(location.search).get("line"));
if (wanted) goTo(wanted); else editor.focus();
check();
