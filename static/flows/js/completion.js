// Completion of flow texts: what may stand here follows from the indentation, the type of the block, and one index of the server.
import { context, editor, fill, one, post } from "./editor.js";

const LISTS = {
  tasks: "task",
  then: "task",
  else: "task",
  errors: "task",
  finally: "task",
  afterExecution: "task",
  triggers: "trigger",
  inputs: "input",
};

let index = null;

export const indentOf = (line) => line.search(/\S|$/);
export const keyOf = (line) => /^\s*(?:-\s+)?([\w-]+)\s*:/.exec(line)?.[1];

// Walks upwards: the keys above this place, from the inside to the outside, and the lines of the block that it stands in.
export function readPlace(lines, row, column) {
  const own = lines[row].slice(0, column);
  let indent = /^\s*-\s/.test(own) ? indentOf(own) + 2 : indentOf(own);
  const block = [own],
    path = [];
  let limit = indent,
    collecting = true;
  for (let at = row - 1; at >= 0; at -= 1) {
    const line = lines[at];
    if (!line.trim() || line.trim().startsWith("#")) continue;
    const item = /^(\s*)-\s/.exec(line),
      depth = item ? item[1].length + 2 : indentOf(line);
    if (collecting && depth === indent) {
      block.push(line);
      if (item) {
        collecting = false;
        limit = item[1].length + 1;
      }
      continue;
    }
    if (depth < limit && keyOf(line)) {
      path.push(keyOf(line));
      limit = item ? item[1].length + 1 : depth;
      collecting = false;
    } else if (item && item[1].length < limit) {
      // The begin of the item around this place, or of one before it: what it belongs to stands further left.
      limit = item[1].length + 1;
      collecting = false;
    }
  }
  for (let at = row + 1; at < lines.length; at += 1) {
    const line = lines[at];
    if (!line.trim()) continue;
    if (indentOf(line) < indent || /^\s*-\s/.test(line)) break;
    if (indentOf(line) === indent) block.push(line);
  }
  if (/^\s*-\s/.test(own)) block.splice(1, block.length);
  return { path, block, indent };
}

export const entry = (caption, value, meta, score, docText = "", snippet) => ({
  caption,
  value,
  meta,
  score,
  docText,
  ...(snippet ? { snippet } : {}),
});
const words = (list, meta) => list.map((word) => entry(`${word}`, `${word}`, meta, 100));

// Types are found by their last word, by a word before it, or by their full name.
function nameFor(name, typed) {
  const last = name.split(".").pop(),
    wanted = typed.toLowerCase();
  if (typed.includes(".")) return name;
  let at = 0;
  for (const letter of last.toLowerCase()) if (letter === wanted[at]) at += 1;
  return at === wanted.length ? last : name.split(".").slice(3).join(".");
}

function completeType({ path, block }, typed) {
  const list = path.find((key) => key in LISTS),
    kind = list === "triggers" ? "trigger" : { conditions: "condition", taskRunner: "runner" }[path[0]] || "task",
    had = block.map(keyOf);
  if (path[0] === "inputs") return words(index.inputs, "input");
  if (path[0] === "retry") return words(["constant", "exponential", "random"], "retry");
  return Object.entries(index.types)
    .filter(([, type]) => type.k === kind)
    .map(([name, { p, b, d, x }]) => {
      const wanted = p.filter(([key, , required]) => required && !had.includes(key)),
        branches = b.slice(0, 1).filter((key) => !had.includes(key)),
        tail =
          wanted.map(([key], at) => `\n${key}: \${${at + 1}}`).join("") +
          branches.map((key) => `\n${key}:\n  - id: \${${wanted.length + 1}}`).join("");
      return entry(nameFor(name, typed), name, x ? "deprecated" : name.split(".").slice(3, -1).join("."), x ? 1 : 100, d, tail && name + tail);
    });
}

const typeOf = ({ block }) =>
  index.types[block.map((line) => /^\s*(?:-\s+)?type\s*:\s*["']?([\w.]+)/.exec(line)?.[1]).find(Boolean)];

function completeKey(place) {
  const { path, block } = place,
    had = block.slice(1).map(keyOf),
    type = typeOf(place),
    common = (name, meta, score) => (index.keys[name] || []).map((key) => entry(key, `${key}: `, meta, score));
  let keys;
  if (!path.length) keys = common("flow", "flow", 50);
  else if (path[0] === "retry") keys = common("retry", "retry", 50);
  else if (type)
    keys = [
      ...type.p.map(([key, kind, required, , doc]) =>
        entry(key, `${key}: `, required ? "required" : kind, required ? 200 : 100, doc),
      ),
      ...type.b.map((key) => entry(key, `${key}:`, "tasks", 150)),
      ...common(type.k, type.k, 40),
    ];
  else keys = common(LISTS[path[0]], path[0], 60);
  return keys.filter(({ caption }) => !had.includes(caption));
}

function completeValue(place, key, typed) {
  if (key === "type") return completeType(place, typed);
  const [, kind, , choices] = typeOf(place)?.p.find(([name]) => name === key) || [];
  if (choices?.length) return words(choices, key);
  return kind === "boolean" || /^(disabled|allowFailure|required)$/.test(key) ? words([true, false], "flag") : [];
}

// Inside {{ }} and for names that live in the database the server answers, with the values of the last run.
async function ask() {
  const answer = await post("/ui/flows/suggest", context()),
    { items } = answer?.ok ? await answer.json() : { items: [] };
  return items.map(([text, value, meta, note, score]) => entry(value.includes(".") ? value : text, value, meta, score, note));
}

// An example of a type comes when its entry is looked at.
async function addExample(item) {
  const type = index.types[item.value];
  if (!type || type.asked) return;
  type.asked = true;
  const answer = await fetch(`/ui/completion?example=${item.value}`),
    text = answer.ok && (await answer.text());
  if (!text) return;
  item.docText = type.d += `\n\n${text}`;
  editor.completer?.updateDocTooltip?.();
}

export async function makeCompleter() {
  index = await (await fetch("/ui/completion")).json();
  // The form that adds a task offers all types.
  const list = one("#add-types");
  if (list) fill(list, index.add);
  // A dot or an opening brace begins a part of an expression: what may follow is shown at once.
  editor.commands.on("afterExec", ({ command, args }) => {
    if (command.name === "insertstring" && /^[.{|']$/.test(args) && isInside(textBefore(editor.getCursorPosition())))
      editor.execCommand("startAutocomplete");
  });
  return {
    getDocTooltip: (item) => void addExample(item),
    async getCompletions(_editor, session, position, prefix, callback) {
      callback(null, await complete(session.doc.getAllLines(), position, prefix).catch(() => []));
    },
  };
}

const textBefore = ({ row, column }) => editor.session.getLine(row).slice(0, column);
const isInside = (text) => text.lastIndexOf("{{") > text.lastIndexOf("}}");
async function complete(lines, { row, column }, prefix) {
  const text = lines[row].slice(0, column),
    place = readPlace(lines, row, column),
    [, key] = /^\s*(?:-\s+)?([\w-]+)\s*:\s+["']?[\w.-]*$/.exec(text) || [];
  if (isInside(text) || /^(namespace|flowId)$/.test(key) || (place.path[0] === "dependsOn" && /^\s*-\s+[\w-]*$/.test(text))) return ask();
  if (key) return completeValue(place, key, prefix);
  return /^\s*(?:-\s+)?[\w-]*$/.test(text) ? completeKey(place) : [];
}
