// What the address says of an act that was just done: shown once, with a button that takes it back where that is possible.
import { toast } from "./console.js";

// Only acts that take something back can stand in an address, so that no link offers a button that destroys something.
const UNDO = /^([\w.-]+\/[\w.-]+)\/(enable|disable|undelete)$/;
function makeUndo(wanted) {
  const found = UNDO.exec(wanted || "");
  if (!found) return null;
  const form = Object.assign(document.createElement("form"), { method: "post", action: `/ui/flows/edit/${found[1]}/act/${found[2]}` });
  form.append(
    Object.assign(document.createElement("input"), {
      type: "hidden",
      name: "csrfmiddlewaretoken",
      value: document.querySelector("meta[name=csrf-token]").content,
    }),
    Object.assign(document.createElement("button"), { className: "btn small", textContent: "Undo" }),
  );
  return form;
}

export function showNotes() {
  const url = new URL(location);
  for (const [name, kind] of [
    ["note", ""],
    ["problem", "bad"],
  ]) {
    if (url.searchParams.has(name)) toast(url.searchParams.get(name), kind, kind ? null : makeUndo(url.searchParams.get("undo")));
    url.searchParams.delete(name);
  }
  url.searchParams.delete("undo");
  if (url.href !== location.href) history.replaceState(null, "", url);
}
