// Files dropped anywhere on a page go into its form: to the dry run of an import, or into the folder they were dropped on.
// On the list of flows, setting labels shows its field.
const form = document.querySelector("#drop-form"),
  field = form.querySelector("input[type=file]");
let depth = 0,
  aim = null;
const show = () => document.body.classList.toggle("is-dropping", depth > 0);
const aimAt = (target) => {
  const next = target?.closest?.("[data-folder]") || null;
  if (next === aim) return;
  aim?.classList.remove("is-over");
  next?.classList.add("is-over");
  aim = next;
};
export function enter(event) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  depth += 1;
  show();
}
addEventListener("dragenter", enter);
addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  show();
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  aimAt(event.target);
});
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  show();
  if (!event.dataTransfer?.files.length) return;
  aimAt(event.target);
  if (aim && form.elements.folder) form.elements.folder.value = aim.dataset.folder;
  field.files = event.dataTransfer.files;
  form.submit();
});
