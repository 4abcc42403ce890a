// Moves a panel of the editor into its other column. It comes with the first click on the button for it.
import { all, editor, one } from "./editor.js";
import { shownIn, tabOf, tabsOf } from "./panels.js";

function put(name, column) {
  const list = column.querySelector("[role=tablist]");
  list.append(tabOf(name));
  list.append(...[...list.children].sort((a, b) => a.dataset.at - b.dataset.at));
  column.append(one(`#panel-${name}`));
  if (name === "code") list.after(one("#editor-tools"));
}

// A column keeps one panel at least: its last one changes places with the one that is shown in the other column.
export function movePanel(from, show) {
  const to = all("[data-column]").find((column) => column !== from),
    name = shownIn(from),
    others = tabsOf(from).filter((tab) => tab !== tabOf(name)),
    back = (tabsOf(to).find((tab) => tab.dataset.panel === shownIn(to)) || tabsOf(to)[0]).dataset.panel;
  if ("passing" in tabOf(name).dataset) return;
  put(name, to);
  if (!others.length) put(back, from);
  show(name);
  show(others[0]?.dataset.panel || back);
  editor.resize(true);
}
