// The command palette: pages, flows, executions and plugins by what is typed.
const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
let paletteTimer,
  paletteRun = 0;
export function startPalette() {
  fillPalette(one("dialog.palette input").value);
}
async function fillPalette(text) {
  const run = ++paletteRun,
    list = one("dialog.palette ul");
  const answer = await fetch("/ui/palette?q=" + encodeURIComponent(text));
  if (run !== paletteRun || !answer.ok) return;
  const { found } = await answer.json();
  list.replaceChildren(
    ...found.map((item, index) => {
      const row = document.createElement("li"),
        link = document.createElement("a");
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", index === 0);
      link.href = item.url;
      for (const [tag, cls, value] of [
        ["span", "kind", item.kind],
        ["span", "", item.text],
        ["small", "", item.note],
      ]) {
        const part = document.createElement(tag);
        part.className = cls;
        part.textContent = value;
        link.append(part);
      }
      row.append(link);
      return row;
    }),
  );
  if (!found.length) list.textContent = "Nothing matches.";
}
function movePalette(step) {
  const rows = all("dialog.palette li");
  const at = rows.findIndex((row) => row.ariaSelected === "true");
  const next = rows[(at + step + rows.length) % rows.length];
  rows.forEach((row) => row.setAttribute("aria-selected", row === next));
  next?.scrollIntoView({ block: "nearest" });
}
one("dialog.palette input")?.addEventListener("input", (event) => {
  clearTimeout(paletteTimer);
  paletteTimer = setTimeout(() => fillPalette(event.target.value), 90);
});
one("dialog.palette")?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    movePalette(event.key === "ArrowDown" ? 1 : -1);
  }
  if (event.key === "Enter") {
    event.preventDefault();
    one("dialog.palette li[aria-selected=true] a")?.click();
  }
  // The first press of the key would only empty the field.
  if (event.key === "Escape") {
    event.preventDefault();
    one("dialog.palette").close();
  }
});
