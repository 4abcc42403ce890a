// A text area with code becomes an editor; the text area stays and is what a form sends.
const MODES = {
  json: "json",
  yaml: "yaml",
  yml: "yaml",
  py: "python",
  sql: "sql",
  sh: "sh",
  bash: "sh",
  md: "markdown",
};
const THEMES = { light: "github_light_default", dark: "one_dark" };
const root = document.documentElement;
const themeOf = () => `ace/theme/${THEMES[root.dataset.theme] || THEMES.light}`;

const append = (name, attributes) =>
  new Promise((done, failed) => {
    const node = Object.assign(document.createElement(name), attributes, { onload: done, onerror: failed });
    document.head.append(node);
  });

let coming;
async function loadAce(base) {
  const sheets = ["css/ace.css", ...Object.values(THEMES).map((theme) => `css/theme/${theme}.css`)];
  coming ||= window.ace
    ? Promise.resolve()
    : Promise.all([
        append("script", { src: `${base}/ace.js` }),
        ...sheets.map((sheet) => append("link", { rel: "stylesheet", href: `${base}/${sheet}` })),
      ]);
  await coming.catch((fault) => {
    coming = null;
    throw fault;
  });
}

// An editor as all of them are: strict, because the page's policy refuses styles that a script writes.
export function makeEditor(box, base, options) {
  const { ace } = window,
    keys = localStorage.getItem("editor-keys");
  ace.config.set("useStrictCSP", true);
  ace.config.set("basePath", base);
  const editor = ace.edit(box, {
    theme: themeOf(),
    tabSize: 2,
    useSoftTabs: true,
    useWorker: false,
    showPrintMargin: false,
    fontSize: Number(localStorage.getItem("editor-size")) || 13,
    enableKeyboardAccessibility: true,
    ...options,
  });
  if (keys) editor.setKeyboardHandler("ace/keyboard/" + keys);
  document.addEventListener("theme", () => editor.setTheme(themeOf()));
  return editor;
}

export async function growEditor(area) {
  if (area.dataset.grown) return;
  area.dataset.grown = "1";
  try {
    await loadAce(area.dataset.ace);
  } catch {
    delete area.dataset.grown;
    return;
  }
  const isSmall = "small" in area.dataset,
    box = document.createElement("div"),
    ending = area.dataset.code.split(".").pop().toLowerCase();
  box.className = isSmall ? "small-ace" : "code-field";
  if (!isSmall) box.style.height = `${Math.max(160, area.offsetHeight)}px`;
  area.after(box);
  const editor = makeEditor(box, area.dataset.ace, {
    value: area.value,
    mode: `ace/mode/${MODES[ending] || "text"}`,
    tabSize: ending === "py" ? 4 : 2,
    readOnly: area.readOnly,
    ...(isSmall ? { minLines: 4, maxLines: 18, highlightActiveLine: false, fontSize: 12.5 } : {}),
  });
  const name = area.getAttribute("aria-label") || area.labels[0]?.textContent.trim().replace(/\s+/g, " ") || "Text";
  editor.textInput.getElement().setAttribute("aria-label", name);
  editor.session.on("change", () => {
    area.value = editor.getValue();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const key = isSmall ? "Enter" : "S";
  editor.commands.addCommand({
    name: "send",
    bindKey: { win: `Ctrl-${key}`, mac: `Command-${key}` },
    exec: () => area.form?.requestSubmit(),
  });
  const hadFocus = area === document.activeElement;
  area.hidden = true;
  if (hadFocus) editor.focus();
  area.dispatchEvent(new Event("grown", { bubbles: true }));
}
