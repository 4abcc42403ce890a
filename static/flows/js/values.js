// Outputs: parts of large values that come when they are asked for, and the box that evaluates expressions.
import { load } from "./console.js";

const one = (selector, from = document) => from.querySelector(selector);
const form = one("#evaluate"),
  field = one("textarea", form),
  answer = one("#evaluated");
const KEY = "expressions",
  MOST = 12;
let asked = 0;
const past = () => JSON.parse(localStorage.getItem(KEY) || "[]");

function showPast() {
  for (const old of document.querySelectorAll("#expressions .is-past")) old.remove();
  for (const text of past()) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip is-past";
    chip.dataset.expression = chip.textContent = text;
    one("#expressions").append(chip, " ");
  }
}
async function evaluate() {
  const body = new FormData(form);
  body.append("csrfmiddlewaretoken", one("meta[name=csrf-token]").content);
  const mine = ++asked,
    sent = await fetch(form.action, { method: "POST", body }).catch(() => null),
    found = (sent?.ok && (await sent.json().catch(() => null))) || { error: "The server did not answer; load the page again." };
  if (mine !== asked) return;
  answer.hidden = false;
  answer.classList.toggle("is-bad", "error" in found);
  answer.textContent = found.error ?? found.result;
  if ("error" in found) return;
  localStorage.setItem(KEY, JSON.stringify([field.value, ...past().filter((text) => text !== field.value)].slice(0, MOST)));
  showPast();
}
// Before the page's own handler, which would send the form for good.
form.addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  if (field.value.trim()) evaluate();
});
document.addEventListener("click", async (event) => {
  const text = event.target.closest("[data-expression]")?.dataset.expression;
  if (text) {
    field.value = text;
    evaluate();
  }
  const link = event.target.closest("a[data-branch]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const { ok, page } = await load(link.href),
    part = ok && one("#branch", page);
  if (part) link.replaceWith(...[...part.childNodes].map((node) => document.importNode(node, true)));
});
showPast();
