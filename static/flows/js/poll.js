// Lists that ask for themselves again every few seconds, without taking anything away from under a hand.
import { load, replaceParts } from "./console.js";

// New rows do not push what somebody points at: a button says how many there are.
const keysOf = (part) => new Set([...part.querySelectorAll(".tick")].map((tick) => tick.value));
function offerRows(shown, page) {
  const fresh = page.getElementById(shown.id),
    known = keysOf(shown),
    count = fresh ? [...keysOf(fresh)].filter((key) => !known.has(key)).length : 0;
  shown.querySelector(".new-rows")?.remove();
  if (!count) return;
  const button = Object.assign(document.createElement("button"), { className: "btn small new-rows", textContent: `${count} new` });
  button.addEventListener("click", () => replaceParts(page, [`#${shown.id}`]));
  shown.prepend(button);
}
function poll(list) {
  setInterval(
    async () => {
      // Replaced parts are new elements, and what somebody typed into one must stay.
      const shown = document.getElementById(list.dataset.poll) || list;
      if (document.hidden || shown.querySelector(".tick:checked") || document.querySelector("dialog[open], details.pick[open], :popover-open"))
        return;
      if (shown.querySelector("details[open]")) return;
      const fields = [...shown.querySelectorAll("input:not([type=checkbox]), textarea")];
      if (fields.some((field) => field.value !== field.defaultValue)) return;
      const { ok, page } = await load(location.href);
      if (!ok) return;
      if (shown.matches(":hover")) offerRows(shown, page);
      else replaceParts(page, [`#${list.dataset.poll}`]);
    },
    Number(list.dataset.every || 4) * 1000,
  );
}
for (const list of document.querySelectorAll("[data-poll]")) poll(list);
