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

const append = (name, attributes) =>
  new Promise((done, failed) => {
    const node = Object.assign(document.createElement(name), attributes, { onload: done, onerror: failed });
    document.head.append(node);
  });

async function loadAce(base) {
  if (window.ace) return;
  const sheets = ["css/ace.css", ...Object.values(THEMES).map((theme) => `css/theme/${theme}.css`)];
  await Promise.all([
    append("script", { src: `${base}/ace.js` }),
    ...sheets.map((sheet) => append("link", { rel: "stylesheet", href: `${base}/${sheet}` })),
  ]);
  window.ace.config.set("useStrictCSP", true);
  window.ace.config.set("basePath", base);
  window.ace.config.set("loadWorkerFromBlob", false);
}

export async function growEditor(area) {
  if (area.dataset.grown) return;
  area.dataset.grown = "1";
  await loadAce(area.dataset.ace);
  const box = document.createElement("div");
  box.className = "code-field";
  box.style.height = `${Math.max(160, area.offsetHeight)}px`;
  area.after(box);
  const ending = area.dataset.code.split(".").pop().toLowerCase();
  const editor = window.ace.edit(box, {
    value: area.value,
    mode: `ace/mode/${MODES[ending] || "text"}`,
    theme: `ace/theme/${THEMES[root.dataset.theme] || THEMES.light}`,
    tabSize: ending === "py" ? 4 : 2,
    useSoftTabs: true,
    useWorker: false,
    showPrintMargin: false,
    readOnly: area.readOnly,
    fontSize: Number(localStorage.getItem("editor-size")) || 13,
    enableKeyboardAccessibility: true,
  });
  const keys = localStorage.getItem("editor-keys");
  if (keys) editor.setKeyboardHandler("ace/keyboard/" + keys);
  editor.textInput.getElement().setAttribute("aria-label", area.getAttribute("aria-label") || "Text");
  document.addEventListener("theme", () => editor.setTheme(`ace/theme/${THEMES[root.dataset.theme]}`));
  editor.session.on("change", () => (area.value = editor.getValue()));
  editor.commands.addCommand({
    name: "save",
    bindKey: { win: "Ctrl-S", mac: "Command-S" },
    exec: () => area.form?.requestSubmit(),
  });
  const hadFocus = area === document.activeElement;
  area.hidden = true;
  if (hadFocus) editor.focus();
}
