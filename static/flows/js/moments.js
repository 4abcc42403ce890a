// The span of time that a filter bar takes by hand: fields in the zone of the reader, kept in the address in UTC.
const two = (number) => String(number).padStart(2, "0");
const isUtc = () => localStorage.getItem("zone") === "utc";

function write(text) {
  const at = new Date(text);
  if (!text || isNaN(at)) return "";
  if (isUtc()) return at.toISOString().slice(0, 19);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// What the address holds, shown in the fields.
export function fillMoments(menu) {
  for (const field of menu.querySelectorAll("[data-moment]")) field.value = write(menu.closest("form").elements[field.dataset.moment].value);
  menu.querySelector("[data-moment]").focus();
}

// A span by hand and one of the buttons shut each other out.
export function takeMoment(field) {
  const form = field.form,
    { from, to } = form.elements;
  if (field.dataset.moment) {
    const at = field.value && new Date(field.value + (isUtc() ? "Z" : ""));
    form.elements[field.dataset.moment].value = at ? at.toISOString().slice(0, 19) + "Z" : "";
    for (const button of form.querySelectorAll("[name=range]")) button.checked = !button.value && !from.value && !to.value;
  } else if (from && to) from.value = to.value = "";
}
