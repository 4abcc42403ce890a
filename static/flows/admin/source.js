// Turns a text area that holds YAML into an editor that follows the page between light and dark. The area keeps the text.
(() => {
  const root = document.documentElement;
  const isDark = () =>
    root.classList.contains("dark") ||
    root.dataset.theme === "dark" ||
    (!root.classList.contains("light") && root.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = () => (isDark() ? "ace/theme/one_dark" : "ace/theme/github_light_default");
  const start = (area) => {
    const place = document.createElement("div");
    place.className = "celestra-editor";
    area.after(place);
    const ace = window.ace;
    ace.config.set("useStrictCSP", true);
    ace.config.set("basePath", area.dataset.source);
    ace.config.set("loadWorkerFromBlob", false);
    const editor = ace.edit(place, {
      value: area.value,
      tabSize: 2,
      useSoftTabs: true,
      fontSize: 13,
      showPrintMargin: false,
      useWorker: false,
      readOnly: area.readOnly,
    });
    editor.setOption("enableKeyboardAccessibility", true);
    editor.textInput.getElement().setAttribute("aria-label", "Source");
    editor.session.setMode("ace/mode/yaml");
    const follow = () => editor.setTheme(theme());
    follow();
    new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["class", "data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow);
    editor.session.on("change", () => {
      area.value = editor.getValue();
    });
    area.hidden = true;
    area.classList.add("celestra-hidden");
    // A fault names its line: the line is marked, and a click on the fault goes there.
    const marks = [];
    for (const each of area.closest("form").querySelectorAll("li, p, div")) {
      const named = each.children.length ? null : /^\s*line (\d+)/i.exec(each.textContent);
      if (!named) continue;
      const row = Number(named[1]) - 1;
      marks.push({ row, column: 0, text: each.textContent.trim(), type: "error" });
      each.style.cursor = "pointer";
      each.addEventListener("click", () => {
        editor.gotoLine(row + 1, 0, true);
        editor.focus();
      });
    }
    editor.session.setAnnotations(marks);
  };
  addEventListener("DOMContentLoaded", () => document.querySelectorAll("textarea[data-source]").forEach(start));
})();
