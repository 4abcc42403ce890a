// Ticked rows of a table: all of them, a range with shift, and the bar that says how many.
let last = null;

export function tickRows({ target, shiftKey }) {
  const boxes = [...document.querySelectorAll(".tick")],
    bar = document.querySelector(".bulk");
  if (target.matches(".tick-all")) boxes.forEach((each) => (each.checked = target.checked));
  else if (shiftKey && last) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(target)].sort((a, b) => a - b);
    boxes.slice(from, to + 1).forEach((each) => (each.checked = target.checked));
  }
  last = target;
  const count = boxes.filter((each) => each.checked).length;
  bar?.classList.toggle("is-on", count > 0);
  if (bar) bar.querySelector(".bulk-count").textContent = `${count} selected`;
}
