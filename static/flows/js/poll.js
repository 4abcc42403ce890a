// Lists that ask every few seconds whether something changed, without taking anything away from under a hand.
import { replaceParts, serverNow, writeAge } from "./console.js";

const LONGEST_PAUSE = 60000,
  PATIENCE = 30000;

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

// What somebody has ticked, opened or typed into stays.
function isInHand(shown) {
  const fields = [...shown.querySelectorAll("input:not([type=checkbox]), textarea")];
  return (
    document.querySelector("dialog[open], details.pick[open], :popover-open") ||
    shown.querySelector(".tick:checked, details[open]") ||
    fields.some((field) => field.value !== field.defaultValue)
  );
}

function poll({ id, dataset }) {
  const every = Number(dataset.every || 4) * 1000;
  let pause = every,
    timer,
    isAsking = false,
    held = null; // a newer page that waits until the pointer has left the list, and the list that it is newer than

  // The server says nothing as long as the page has the mark of what there is. True unless it could not be asked.
  async function ask(shown) {
    const url = location.href,
      mark = (held ? held.page.getElementById(id) : shown)?.dataset.mark;
    const headers = { "X-Fragment": "1", ...(mark && { "X-Mark": mark }) };
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) return false;
    const page = answer.status === 204 ? null : new DOMParser().parseFromString(await answer.text(), "text/html");
    // Meanwhile somebody may have chosen other filters.
    if (location.href !== url || document.getElementById(id) !== shown) return true;
    if (page) held = { page, shown };
    if (!held || isInHand(shown)) return true;
    if (shown.matches(":hover")) {
      offerRows(shown, held.page);
      return true;
    }
    const fresh = held.page.getElementById(id);
    // Another mark alone is no reason to put everything anew.
    if (fresh?.dataset.mark) shown.dataset.mark = fresh.dataset.mark;
    replaceParts(held.page, [`#${id}`]);
    held = null;
    return true;
  }
  async function look() {
    clearTimeout(timer);
    if (document.hidden || isAsking) return;
    const shown = document.getElementById(id);
    if (held?.shown !== shown) held = null;
    // A job that has ended asks no more.
    if (shown?.dataset.poll && !isInHand(shown)) {
      isAsking = true;
      const isAnswered = await ask(shown).catch(() => false);
      isAsking = false;
      // A server that is away is asked ever less often.
      pause = isAnswered ? every : Math.min(2 * pause, LONGEST_PAUSE);
    }
    timer = setTimeout(look, pause);
  }
  // A hidden page asks nothing, and at once when it is seen again.
  document.addEventListener("visibilitychange", look);
  timer = setTimeout(look, every);
}

// What runs grows, also while the server has nothing to say.
function growBars() {
  for (const bar of document.querySelectorAll(".dur[data-usual]")) {
    const seconds = (serverNow() - Date.parse(bar.nextElementSibling.dataset.ticksFrom)) / 1000,
      twice = 2 * bar.dataset.usual,
      whole = bar.querySelector(".dur-all").getAttribute("width");
    bar.querySelector(".dur-part").setAttribute("width", Math.max(1, Math.min(1, seconds / twice) * whole).toFixed(1));
    bar.classList.toggle("is-slow", seconds > twice && seconds > 1);
  }
}

// The age in the tooltip of a moment is that of now, too.
document.addEventListener("mouseover", ({ target }) => {
  const time = target.closest?.("time[data-age]:not(.age)");
  if (time) time.title = time.title.replace(/^.*? · /, `${writeAge(serverNow() - Date.parse(time.dateTime))} · `);
});

for (const list of document.querySelectorAll("[data-poll]")) poll(list);
setInterval(growBars, 1000);
