// Completion and explanations of dashboard texts, from one description of what may stand where.
import { entry, indentOf, keyOf, readPlace } from "./completion.js";

const [TYPE, TEXT, REQUIRED, DEFAULT, CHOICES, INSIDE] = [0, 1, 2, 3, 4, 5];
let index = null;


// What may stand below the keys of a path, which runs from the inside to the outside.
function shapeAt(path) {
  let shape = index.shape;
  for (const key of [...path].reverse()) {
    const inside = shape?.[INSIDE] || {};
    shape = inside[key] || inside["*"];
  }
  return shape;
}

// The lines of the chart around a row.
function chartAround(lines, row) {
  const first = lines.findIndex((line, at) => at > lines.findIndex((top) => /^charts\s*:/.test(top)) && /^\s*-\s/.test(line));
  if (first < 0) return [];
  const isStart = (line) => /^\s*-\s/.test(line) && indentOf(line) === indentOf(lines[first]);
  let from = row,
    to = row + 1;
  while (from > first && !isStart(lines[from])) from -= 1;
  while (to < lines.length && !isStart(lines[to])) to += 1;
  return lines.slice(from, to);
}

const lastWord = (lines, part) =>
  lines.map((line) => new RegExp(`type\\s*:\\s*["']?[\\w.]*${part}\\.(\\w+)`).exec(line)?.[1]).find(Boolean);

function columnsOf(chart) {
  const at = chart.findIndex((line) => keyOf(line) === "columns");
  if (at < 0) return [];
  const below = chart.slice(at + 1).filter((line) => line.trim());
  const depth = indentOf(below[0] || "");
  if (depth <= indentOf(chart[at])) return [];
  const end = below.findIndex((line) => indentOf(line) < depth);
  return below
    .slice(0, end < 0 ? below.length : end)
    .filter((line) => indentOf(line) === depth)
    .map(keyOf)
    .filter(Boolean);
}

const describe = (shape) =>
  [
    `${shape[TYPE]}${shape[REQUIRED] ? ", required" : ""}${shape[DEFAULT] ? `, default ${shape[DEFAULT]}` : ""}`,
    shape[TEXT],
    shape[CHOICES]?.length ? `One of ${shape[CHOICES].map((choice) => choice.split(".").pop()).join(", ")}` : "",
  ]
    .filter(Boolean)
    .join("\n");

function completeKey(place, chart) {
  // The columns of a single figure are one column.
  const isFigure = place.path[0] === "columns" && lastWord(chart, "chart") === "KPI",
    inside = shapeAt(isFigure ? ["*", ...place.path] : place.path)?.[INSIDE] || {},
    had = new Set(place.block.slice(1).map(keyOf)),
    own = new Set(index.options[lastWord(chart, "chart")] || []),
    other = new Set(
      Object.values(index.options)
        .flat()
        .filter((name) => !own.has(name)),
    );
  return Object.entries(inside)
    .filter(([name]) => name !== "*" && !had.has(name) && !(place.path[0] === "chartOptions" && own.size && other.has(name)))
    .map(([name, shape]) =>
      entry(
        name,
        shape[INSIDE] && Object.keys(shape[INSIDE]).length ? `${name}:` : `${name}: `,
        shape[REQUIRED] ? "required" : shape[TYPE],
        shape[REQUIRED] ? 200 : 100,
        describe(shape),
      ),
    );
}

// What a new chart of a kind begins with; it is valid as it stands.
function startOf(kind) {
  const axis = { Bar: ["state", "STATE"], Pie: ["state", "STATE"], TimeSeries: ["date", "START_DATE"], Table: ["flow", "FLOW_ID"] }[kind],
    options = ["", "chartOptions:", "  displayName: ${1:Title}"];
  if (kind === "Markdown") return [...options, "content: ${2:text}"].join("\n");
  if (kind === "Bar" || kind === "TimeSeries") options.push(`  column: ${axis[0]}`);
  const type = `  type: io.kestra.plugin.core.dashboard.data.Executions${axis ? "" : "KPI"}`,
    columns = axis
      ? [`    ${axis[0]}:`, `      field: \${2:${axis[1]}}`, "    count:", "      agg: COUNT"]
      : ["    field: ID", "    agg: COUNT"];
  return [...options, "data:", type, "  columns:", ...columns].join("\n");
}

function completeValue(place, key, chart) {
  const isFigure = place.path[0] === "columns" && lastWord(chart, "chart") === "KPI",
    shape = shapeAt(isFigure ? [key, "*", ...place.path] : [key, ...place.path]);
  if (shape?.[TYPE] === "field")
    return (index.fields[lastWord(chart, "data")] || []).map((name) => entry(name, name, "field", 100));
  if (/^(column|colorByColumn)$/.test(key)) return columnsOf(chart).map((name) => entry(name, name, "column", 100));
  const isNew = key === "type" && place.path[0] === "charts" && !chart.some((line) => /^(data|chartOptions)$/.test(keyOf(line)));
  return (shape?.[CHOICES] || []).map((choice) => {
    const kind = choice.split(".").pop();
    return entry(kind, choice, key, 100, describe(shape), isNew ? choice + startOf(kind) : undefined);
  });
}

export async function startChartEditor(editor) {
  index = await (await fetch("/ui/completion?of=dashboard")).json();
  startHover(editor);
  return {
    getCompletions(_editor, session, position, prefix, callback) {
      const lines = session.getDocument().getAllLines(),
        text = lines[position.row].slice(0, position.column),
        place = readPlace(lines, position.row, position.column),
        chart = chartAround(lines, position.row),
        value = /^\s*(?:-\s+)?([\w-]+)\s*:\s+["']?[\w.-]*$/.exec(text);
      if (value) return callback(null, completeValue(place, value[1], chart));
      callback(null, /^\s*(?:-\s+)?[\w-]*$/.test(text) ? completeKey(place, chart) : []);
    },
  };
}

// A box with what the property under the pointer means.
function startHover(editor) {
  const tip = document.querySelector("#hover");
  let timer;
  const hide = () => {
    clearTimeout(timer);
    tip.hidden = true;
  };
  editor.on("mousemove", (event) => {
    hide();
    const { row, column } = event.getDocumentPosition(),
      line = editor.session.getLine(row),
      key = keyOf(line);
    if (!key || column > line.indexOf(":")) return;
    timer = setTimeout(() => {
      const place = readPlace(editor.session.getDocument().getAllLines(), row, line.indexOf(key)),
        shape = shapeAt([key, ...place.path]);
      if (!shape) return;
      const title = Object.assign(document.createElement("b"), { textContent: key }),
        text = Object.assign(document.createElement("p"), { textContent: describe(shape) });
      text.className = "lines";
      tip.replaceChildren(title, text);
      tip.hidden = false;
      const { pageX, pageY } = editor.renderer.textToScreenCoordinates(row, column);
      tip.style.left = `${Math.max(8, Math.min(pageX, innerWidth - tip.offsetWidth - 12))}px`;
      tip.style.top = `${pageY - scrollY + editor.renderer.lineHeight + 4}px`;
    }, 300);
  });
  editor.container.addEventListener("mouseleave", hide);
  editor.on("changeSelection", hide);
}
