// The menu of a row. One menu serves all rows of a page: it lies above everything, so that no table cuts it off.
const menu = document.querySelector("#row-menu");
const has = (node, held) => node.dataset.needs.split(" ").every((one) => (one[0] === "-" ? !held.has(one.slice(1)) : held.has(one)));

export function openMenu(button) {
  const { rowMenu: address, name, key, has: words } = button.dataset;
  const held = new Set(words.split(" "));
  for (const node of document.querySelectorAll(".row-name")) node.textContent = name;
  // Dialogs that the menu opens are steered the same way.
  for (const node of document.querySelectorAll("[data-to]")) node[node.nodeName === "A" ? "href" : "action"] = address + node.dataset.to;
  for (const node of menu.querySelectorAll("[data-key-to]")) node.href = node.dataset.keyTo + key;
  for (const node of menu.querySelectorAll("[data-needs]")) node.hidden = !has(node, held);
  menu.showPopover();
  const box = button.getBoundingClientRect(),
    { offsetWidth: width, offsetHeight: height } = menu;
  menu.style.left = `${Math.max(8, Math.min(box.right, innerWidth - 8) - width)}px`;
  menu.style.top = `${box.bottom + height + 8 > innerHeight ? Math.max(8, box.top - height - 4) : box.bottom + 4}px`;
  menu.ontoggle = ({ newState }) => {
    if (newState === "closed" && (menu.contains(document.activeElement) || document.activeElement === document.body)) button.focus();
  };
  menu.querySelector(".item:not([hidden], [hidden] *)")?.focus();
}
menu.addEventListener("click", (event) => {
  if (event.target.closest("[data-dialog]")) menu.hidePopover();
});
menu.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const items = [...menu.querySelectorAll(".item")].filter((item) => item.offsetParent);
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
});
