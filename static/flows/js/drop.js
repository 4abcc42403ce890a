// Files dropped anywhere on the list of flows go to the dry run of the import; setting labels shows its field.
const form = document.querySelector("#drop-form"),
  field = form.querySelector("input[type=file]");
let depth = 0;
const show = () => document.body.classList.toggle("is-dropping", depth > 0);
addEventListener("dragenter", (event) => {
  if (event.dataTransfer?.types.includes("Files")) {
    depth += 1;
    show();
  }
});
addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  show();
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  show();
  if (!event.dataTransfer?.files.length) return;
  field.files = event.dataTransfer.files;
  form.submit();
});
document.addEventListener("click", (event) => {
  const bulk = event.target.closest("[data-bulk]");
  if (bulk) document.querySelectorAll(".for-labels").forEach((part) => (part.hidden = bulk.dataset.bulk !== "labels"));
});
