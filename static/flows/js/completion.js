// Completion of flow texts: what may stand here follows from the indentation, the type of the block, and one index of the server.
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

const indentOf = (line) => line.search(/\S|$/);
const keyOf = (line) => /^\s*(?:-\s+)?([\w-]+)\s*:/.exec(line)?.[1];

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

export const entry = (caption, value, meta, score, doc = "", snippet) => ({
  caption,
  value,
  meta,
  score,
  docText: doc,
  ...(snippet ? { snippet } : {}),
});

// Types are found by their last word, by a word before it, or by their full name.
function nameFor(name, typed) {
  const last = name.split(".").pop(),
    wanted = typed.toLowerCase();
  if (typed.includes(".")) return name;
  let at = 0;
  for (const letter of last.toLowerCase()) if (letter === wanted[at]) at += 1;
  return at === wanted.length ? last : name.split(".").slice(3).join(".");
}

function completeType(place, typed = "") {
  const list = place.path.find((key) => key in LISTS),
    kinds =
      list === "triggers"
        ? ["trigger"]
        : place.path[0] === "conditions"
          ? ["condition"]
          : place.path[0] === "taskRunner"
            ? ["runner"]
            : ["task"];
  if (list === "inputs" && place.path[0] === "inputs") return index.inputs.map((name) => entry(name, name, "input", 100));
  if (place.path[0] === "retry") return ["constant", "exponential", "random"].map((name) => entry(name, name, "retry", 100));
  const had = new Set(place.block.map(keyOf));
  return Object.entries(index.types)
    .filter(([, type]) => kinds.includes(type.k))
    .map(([name, type]) => {
      const wanted = type.p.filter(([key, , required]) => required && !had.has(key)),
        pad = " ".repeat(place.indent);
      const branches = type.b.slice(0, 1).filter((key) => !had.has(key));
      const tail =
        wanted.map(([key], at) => `\n${key}: \${${at + 1}}`).join("") +
        branches.map((key) => `\n${key}:\n  - id: \${${wanted.length + 1}}`).join("");
      return entry(
        nameFor(name, typed),
        name,
        type.x ? "deprecated" : name.split(".").slice(3, -1).join("."),
        type.x ? 1 : 100,
        [type.x, type.d, name, wanted.length ? "required: " + wanted.map(([key]) => key).join(", ") : ""].filter(Boolean).join("\n"),
        tail && pad !== null ? name + tail : undefined,
      );
    });
}

const describe = ([, kind, required, choices, text, standard]) =>
  [
    `${kind}${required ? ", required" : ""}${standard === undefined ? "" : `, default ${standard}`}`,
    text,
    choices.length ? `One of ${choices.join(", ")}` : "",
  ]
    .filter(Boolean)
    .join("\n");

function completeKey(place) {
  const had = new Set(place.block.slice(1).map(keyOf)),
    typeName = place.block.map((line) => /^\s*(?:-\s+)?type\s*:\s*["']?([\w.]+)/.exec(line)?.[1]).find(Boolean);
  const type = index.types[typeName];
  let keys = [];
  if (!place.path.length) keys = index.keys.flow.map((key) => entry(key, `${key}: `, "flow", 50));
  else if (place.path[0] === "retry") keys = index.keys.retry.map((key) => entry(key, `${key}: `, "retry", 50));
  else if (type) {
    keys = type.p.map((property) => {
      const [key, kind, required] = property;
      return entry(key, `${key}: `, required ? "required" : kind, required ? 200 : 100, describe(property));
    });
    keys.push(...type.b.map((key) => entry(key, `${key}:`, "tasks", 150)));
    keys.push(...(index.keys[type.k] || []).map((key) => entry(key, `${key}: `, type.k, 40)));
  } else keys = (index.keys[LISTS[place.path[0]]] || []).map((key) => entry(key, `${key}: `, place.path[0], 60));
  return keys.filter((key) => !had.has(key.caption));
}

function completeValue(place, key, typed) {
  if (key === "type") return completeType(place, typed);
  const typeName = place.block.map((line) => /^\s*(?:-\s+)?type\s*:\s*["']?([\w.]+)/.exec(line)?.[1]).find(Boolean);
  const property = index.types[typeName]?.p.find(([name]) => name === key);
  if (property?.[3].length) return property[3].map((value) => entry(String(value), String(value), key, 100));
  if (property?.[1] === "boolean" || ["disabled", "allowFailure", "required"].includes(key))
    return ["true", "false"].map((value) => entry(value, value, "flag", 100));
  return [];
}

// Inside {{ }} and for names that live in the database the server answers, with the values of the last run.
async function ask(context, post) {
  const answer = await post("/ui/flows/suggest", context());
  const { items } = answer.ok ? await answer.json() : { items: [] };
  return items.map(([text, value, meta, note, score]) => entry(value.includes(".") ? value : text, value, meta, score, note));
}

// An example of a type comes when its entry is looked at.
const asked = new Set();
async function addExample(editor, item) {
  if (asked.has(item.value)) return;
  asked.add(item.value);
  const answer = await fetch(`/ui/completion?example=${encodeURIComponent(item.value)}`).catch(() => null);
  const text = answer?.ok ? await answer.text() : "";
  if (!text) return;
  item.docText += `\n\n${text}`;
  editor.completer?.updateDocTooltip?.();
}

export async function makeCompleter(editor, context, post) {
  index = await (await fetch("/ui/completion")).json();
  listTypes();
  expandAfterDots(editor);
  return {
    getDocTooltip(item) {
      if (index.types[item.value] && !item.docHTML) addExample(editor, item);
    },
    getCompletions(_editor, session, position, prefix, callback) {
      const lines = session.getDocument().getAllLines(),
        text = lines[position.row].slice(0, position.column);
      const opened = text.lastIndexOf("{{"),
        served = () =>
          ask(context, post).then(
            (found) => callback(null, found),
            () => callback(null, []),
          );
      if (opened >= 0 && text.lastIndexOf("}}") < opened) return served();
      const place = readPlace(lines, position.row, position.column),
        value = /^\s*(?:-\s+)?([\w-]+)\s*:\s+["']?[\w.-]*$/.exec(text);
      if (value) return /^(namespace|flowId)$/.test(value[1]) ? served() : callback(null, completeValue(place, value[1], prefix));
      if (/^\s*-\s+[\w-]*$/.test(text) && place.path[0] === "dependsOn") return served();
      if (/^\s*(?:-\s+)?[\w-]*$/.test(text)) return callback(null, completeKey(place));
      callback(null, []);
    },
  };
}

// A dot or an opening brace begins an expression part: show what may follow at once.
function expandAfterDots(editor) {
  editor.commands.on("afterExec", ({ command, args }) => {
    if (command.name === "insertstring" && (args === "." || args === "{" || args === "|" || args === "'")) {
      const { row, column } = editor.getCursorPosition(),
        before = editor.session.getLine(row).slice(0, column);
      if (before.lastIndexOf("{{") > before.lastIndexOf("}}")) editor.execCommand("startAutocomplete");
    }
  });
}

// The form that adds a task offers all types.
function listTypes() {
  document
    .querySelector("#add-types")
    ?.replaceChildren(
      ...Object.entries(index.types)
        .filter(([, type]) => (type.k === "task" || type.k === "trigger") && !type.x)
        .map(([name]) => Object.assign(document.createElement("option"), { value: name })),
    );
}
