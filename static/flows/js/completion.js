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
async function load() {
  index = await (await fetch("/ui/completion")).json();
}

const indentOf = (line) => line.search(/\S|$/);
const keyOf = (line) => /^\s*(?:-\s+)?([\w-]+)\s*:/.exec(line)?.[1];

// Walks upwards: the keys above this place, from the inside to the outside, and the lines of the block that it stands in.
function readPlace(lines, row, column) {
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
    const outer = indentOf(line);
    if (outer < limit && keyOf(line)) {
      path.push(keyOf(line));
      limit = outer;
      collecting = false;
      if (item) limit = outer;
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

const entry = (caption, value, meta, score, doc = "", snippet) => ({
  caption,
  value,
  meta,
  score,
  docText: doc,
  ...(snippet ? { snippet } : {}),
});

function completeType(place) {
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
        name.split(".").pop(),
        name,
        type.x ? "deprecated" : name.split(".").slice(3, -1).join("."),
        type.x ? 1 : 100,
        `${name}\n${type.d}${wanted.length ? "\nrequired: " + wanted.map(([key]) => key).join(", ") : ""}`,
        tail && pad !== null ? name + tail : undefined,
      );
    });
}

function completeKey(place) {
  const had = new Set(place.block.slice(1).map(keyOf)),
    typeName = place.block.map((line) => /^\s*(?:-\s+)?type\s*:\s*["']?([\w.]+)/.exec(line)?.[1]).find(Boolean);
  const type = index.types[typeName];
  let keys = [];
  if (!place.path.length) keys = index.keys.flow.map((key) => entry(key, `${key}: `, "flow", 50));
  else if (place.path[0] === "retry") keys = index.keys.retry.map((key) => entry(key, `${key}: `, "retry", 50));
  else if (type) {
    keys = type.p.map(([key, kind, required, , text]) =>
      entry(key, `${key}: `, required ? "required" : kind, required ? 200 : 100, text || kind),
    );
    keys.push(...type.b.map((key) => entry(key, `${key}:`, "tasks", 150)));
    keys.push(...(index.keys[type.k] || []).map((key) => entry(key, `${key}: `, type.k, 40)));
  } else keys = (index.keys[LISTS[place.path[0]]] || []).map((key) => entry(key, `${key}: `, place.path[0], 60));
  return keys.filter((key) => !had.has(key.caption));
}

function completeValue(place, key) {
  if (key === "type") return completeType(place);
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

export function makeCompleter(editor, context, post) {
  load();
  editor.completers = [
    {
      identifierRegexps: [/[\w.-]/],
      getCompletions(_editor, session, position, prefix, callback) {
        if (!index) return callback(null, []);
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
        if (value) return /^(namespace|flowId)$/.test(value[1]) ? served() : callback(null, completeValue(place, value[1]));
        if (/^\s*-\s+[\w-]*$/.test(text) && place.path[0] === "dependsOn") return served();
        if (/^\s*(?:-\s+)?[\w-]*$/.test(text)) return callback(null, completeKey(place));
        callback(null, []);
      },
    },
  ];
  // A dot or an opening brace begins an expression part: show what may follow at once.
  editor.commands.on("afterExec", ({ command, args }) => {
    if (command.name === "insertstring" && (args === "." || args === "{" || args === "|" || args === "'")) {
      const { row, column } = editor.getCursorPosition(),
        before = editor.session.getLine(row).slice(0, column);
      if (before.lastIndexOf("{{") > before.lastIndexOf("}}")) editor.execCommand("startAutocomplete");
    }
  });
  editor.container.addEventListener("focusin", () =>
    document.querySelectorAll("#add-types:empty").forEach((list) =>
      list.append(
        ...Object.entries(index?.types || {})
          .filter(([, type]) => (type.k === "task" || type.k === "trigger") && !type.x)
          .map(([name]) => Object.assign(document.createElement("option"), { value: name })),
      ),
    ),
  );
}
