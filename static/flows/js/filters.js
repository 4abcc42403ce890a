// The filter bar by keyboard: offers keys, then their values, and turns "state: FAILED" into a filter of the address.
const form = document.querySelector("form[data-filters]:has(#offers)"),
  field = form.elements.q,
  list = document.querySelector("#offers");
const NOTES = {
  state: "its state",
  is: "what it does now",
  kind: "what it listens to",
  namespace: "of a namespace",
  flow: "of a flow",
  label: "key:value",
  range: "1h, 24h, 7d, 30d",
};
const KEYS = Object.fromEntries(field.dataset.keys.split(" ").map((key) => [key, NOTES[key]]));
const OPEN = new RegExp(`^\\s*(${Object.keys(KEYS).join("|")}):`);
let rows = [];

const values = {
  state: () => [...form.querySelectorAll("input[name=state]")].map((box) => box.value),
  is: () => [...form.elements.is.options].map((option) => option.value).filter(Boolean),
  kind: () => [...form.elements.kind.options].map((option) => option.value).filter(Boolean),
  namespace: () => [...form.elements.namespace.options].map((option) => option.value).filter(Boolean),
  range: () => ["1h", "24h", "7d", "30d"],
  flow: () => [...new Set([...document.querySelectorAll("#results td a[href*='/flows/edit/']:not([href*='#'])")].map((link) => link.textContent))],
  label: () => [
    ...new Set([...document.querySelectorAll("#results td a.chip")].map((link) => link.textContent.replace(": ", ":"))),
  ],
};
function read() {
  const [, key, rest] = /^\s*(\w+):\s*(.*)$/.exec(field.value) || [];
  if (key in KEYS)
    return values[key]()
      .filter((value) => value.toLowerCase().includes(rest.toLowerCase()))
      .map((value) => ({ key, value, text: `${key}: ${value}` }));
  const text = field.value.trim().toLowerCase();
  return Object.keys(KEYS)
    .filter((each) => text && each.startsWith(text))
    .map((each) => ({ key: each, text: `${each}:`, note: KEYS[each] }));
}
function show() {
  rows = read().slice(0, 12);
  list.hidden = !rows.length;
  field.setAttribute("aria-expanded", !!rows.length);
  list.replaceChildren(
    ...rows.map((row, index) => {
      const item = document.createElement("li"),
        note = document.createElement("small");
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", index === 0);
      item.textContent = row.text + " ";
      note.textContent = row.note || "";
      item.append(note);
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(row);
      });
      return item;
    }),
  );
}
function take({ key, value }) {
  if (!value) {
    field.value = `${key}: `;
    return show();
  }
  go(key, value);
}
function go(key, value) {
  const url = new URL(location);
  for (const name of ["q", "before", "after"]) url.searchParams.delete(name);
  if (key === "state" || key === "label") url.searchParams.append(key, value);
  else url.searchParams.set(key, value);
  location = url;
}
field.addEventListener("input", (event) => {
  show();
  // A key that is being typed is no search yet.
  if (rows.length || OPEN.test(field.value)) event.stopPropagation();
});
field.addEventListener("keydown", (event) => {
  const at = [...list.children].findIndex((item) => item.ariaSelected === "true");
  if (event.key === "Escape" && !list.hidden) {
    list.hidden = true;
    event.stopPropagation();
  }
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && rows.length) {
    event.preventDefault();
    const next = (at + (event.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length;
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", index === next));
  }
  if ((event.key === "Enter" || event.key === "Tab") && !list.hidden && rows[at]) {
    event.preventDefault();
    take(rows[at]);
    return;
  }
  const [, key, value] = /^\s*(flow|label):\s*(\S+)\s*$/.exec(field.value) || [];
  if (event.key === "Enter" && value) {
    event.preventDefault();
    go(key, value);
  }
});
field.addEventListener("blur", () => (list.hidden = true));
// Filters change the address without a new page; what hangs on the address follows.
document.addEventListener("parts", () => {
  const query = location.search.slice(1);
  for (const hidden of document.querySelectorAll("[data-query]")) hidden.value = query;
  for (const link of document.querySelectorAll("[data-with-query]")) link.href = link.href.replace(/(form=\w+).*/, `$1&${query}`);
});

// The order of the columns: a row is dragged by its grip, or moved by the arrow keys while the grip has the focus.
const order = document.querySelector(".column-order");
let held = null;
function tellPlace(grip) {
  const rows = [...order.children];
  grip.setAttribute("aria-label", `Move ${grip.dataset.word}, now ${rows.indexOf(grip.closest("li")) + 1} of ${rows.length}`);
}
order?.addEventListener("keydown", (event) => {
  const row = event.target.matches(".grip") && event.target.closest("li"),
    other = event.key === "ArrowUp" ? row?.previousElementSibling : event.key === "ArrowDown" ? row?.nextElementSibling : null;
  if (!row || !other) return;
  event.preventDefault();
  if (event.key === "ArrowUp") other.before(row);
  else other.after(row);
  event.target.focus();
  tellPlace(event.target);
});
order?.addEventListener("pointerdown", (event) => {
  if (!event.target.matches(".grip")) return;
  held = event.target.closest("li");
  held.classList.add("is-held");
  event.target.setPointerCapture(event.pointerId);
});
order?.addEventListener("pointermove", (event) => {
  const other = held && document.elementFromPoint(event.clientX, event.clientY)?.closest(".column-order li");
  if (!other || other === held) return;
  const box = other.getBoundingClientRect();
  if (event.clientY < box.top + box.height / 2) other.before(held);
  else other.after(held);
});
for (const name of ["pointerup", "pointercancel"])
  order?.addEventListener(name, () => {
    held?.classList.remove("is-held");
    held = null;
  });

// Files that are dragged over a list that takes them.
if (document.querySelector("#drop-form"))
  addEventListener("dragenter", async (event) => (await import("./drop.js")).enter(event), { once: true });
