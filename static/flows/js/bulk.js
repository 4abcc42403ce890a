// Asks for one small step after the other until all matching executions are done, and shows what became of them.
const one = (selector) => document.querySelector(selector);
const form = one("#bulk-run");
const MOST_REASONS = 500;
let stopped = false;

function offer() {
  const act = form.elements.act.value;
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== act;
  const button = one("#bulk-run button");
  button.textContent = `${form.elements.act.selectedOptions[0].text} ${form.dataset.total} executions`;
  button.classList.toggle("danger", act === "kill" || act === "delete");
}
function tell(id, reason) {
  const list = one("#bulk-reasons");
  if (list.children.length >= MOST_REASONS) return;
  const row = list.insertRow(),
    link = document.createElement("a"),
    text = row.insertCell();
  link.href = `/ui/e/${encodeURIComponent(id)}`;
  link.className = "mono";
  link.textContent = id;
  row.insertCell(0).append(link);
  text.className = "wrap";
  text.textContent = reason;
}
async function run() {
  const body = new FormData(form),
    total = parseInt(form.dataset.total.replace(/\D/g, "")),
    bar = one("#bulk-progress");
  one("#bulk-panel").hidden = false;
  form.hidden = true;
  bar.max = total;
  let done = 0,
    skipped = 0,
    finished = false;
  while (!finished && !stopped) {
    const sent = await fetch(form.action, { method: "POST", body }).catch(() => null);
    if (!sent?.ok) {
      one("#bulk-said").textContent = "The server refused a step; what was done stays done.";
      return;
    }
    const found = await sent.json();
    done += found.done;
    skipped += found.skipped.length;
    found.skipped.forEach(([id, reason]) => tell(id, reason));
    body.set("after", found.after);
    finished = found.finished;
    bar.value = Math.min(total, done + skipped);
    one("#bulk-done").textContent = done.toLocaleString("en");
    one("#bulk-skipped").textContent = skipped.toLocaleString("en");
  }
  one("#bulk-stop").hidden = true;
  one("#bulk-said").textContent = finished ? "Finished" : "Stopped";
}
if (form) {
  form.addEventListener("change", offer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    run();
  });
  one("#bulk-stop").addEventListener("click", () => (stopped = true));
  addEventListener("beforeunload", (event) => {
    if (!one("#bulk-panel").hidden && !one("#bulk-stop").hidden) event.preventDefault();
  });
  offer();
}
