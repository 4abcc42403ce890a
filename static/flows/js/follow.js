// A page that follows an execution: its stream sends the parts and the elements that changed, painted as the page paints them.
import { load, replaceParts, swap } from "./console.js";
import { openStream, setMark } from "./stream.js";

const one = (selector) => document.querySelector(selector);
const PARTS = ["#live-acts", "#live-head", "#live-dialogs", "#live-body"];
// The newest lines in the drawer of a task come without a ring, and so does what the page says of time that went by.
const DRAWER_MS = 4000,
  DRAWER_GAP_MS = 500,
  STALL_MS = 20000;
// Names of the address that mean the drawer, which the stream says nothing about.
const DRAWER_NAMES = ["task", "file", "rows", "encoding", "inputs"];

const readPart = (markup) => new DOMParser().parseFromString(markup, "text/html");
const isAsking = () => Boolean(one("dialog[open]"));
// What somebody selects in, or stands in with the keyboard, is not changed under the hand.
const isInHand = (box) =>
  !getSelection().isCollapsed || (box?.contains(document.activeElement) && !document.activeElement.id);

function build(container, markup) {
  if (!(container instanceof SVGElement)) return [...readPart(markup).body.children];
  return [...readPart(`<svg xmlns="http://www.w3.org/2000/svg">${markup}</svg>`).querySelector("svg").children];
}
// The marks that a reader has put on an element, and the focus, go over to the one that takes its place.
function takeOver(old, fresh) {
  for (const name of ["is-at", "is-lit"]) if (old.classList.contains(name)) fresh.classList.add(name);
  if (!old.contains(document.activeElement)) return () => {};
  const href = document.activeElement.getAttribute("href");
  return () => (href ? (fresh.querySelector(`[href="${CSS.escape(href)}"]`) ?? fresh) : fresh).focus({ preventScroll: true });
}
// Elements of the painting change at places that count before all changes, so the last one comes first.
function changeElements(changes) {
  const container = one("[data-elements]");
  if (!container) return false;
  const before = Number(container.dataset.elements);
  for (const [place, count, markup] of changes.reverse()) {
    const old = [...container.children].slice(before + place, before + place + count);
    const fresh = build(container, markup).map((node) => document.importNode(node, true));
    const focus = old.map((node, index) => (fresh[index] ? takeOver(node, fresh[index]) : () => {}));
    const next = container.children[before + place + count] ?? null;
    old.forEach((node) => node.remove());
    for (const node of fresh) container.insertBefore(node, next);
    focus.forEach((give) => give());
  }
  container.dispatchEvent(new Event("parts", { bubbles: true }));
  return true;
}

export function followExecution(place) {
  let seen = place.dataset.seen,
    isStale = false,
    hasEnded = false,
    heardAt = Date.now(),
    askedAt = 0,
    timer = 0,
    close;

  // What the page showed when it was loaded counts once only: afterwards all parts come first.
  function address() {
    const choices = new URL(location).searchParams;
    for (const name of DRAWER_NAMES) choices.delete(name);
    const told = new URLSearchParams({ query: choices, seen });
    seen = "";
    return `${place.dataset.follow}&${told}`;
  }
  function reopen() {
    if (hasEnded) return;
    isStale = false;
    heardAt = Date.now();
    close?.();
    close = openStream(address, events);
  }
  async function ask() {
    const { ok, page } = await load(location.href);
    if (ok && !isAsking()) replaceParts(page, PARTS);
  }
  async function askDrawer() {
    timer = 0;
    askedAt = Date.now();
    if (one("#drawer > aside") && !isInHand(one("#drawer")) && !isAsking())
      await swap(location.href, ["#drawer"], { headers: { "X-Fragment": "drawer" } });
  }
  const take = (act) => (event) => {
    heardAt = Date.now();
    // Nothing moves behind a question; once it is answered everything comes anew.
    isStale ||= isAsking() || act(JSON.parse(event.data)) === false;
    timer ||= setTimeout(askDrawer, Math.max(0, askedAt + DRAWER_GAP_MS - Date.now()));
  };
  const events = {
    parts: take((parts) => {
      const page = readPart(Object.values(parts).join(""));
      replaceParts(
        page,
        Object.keys(parts).map((id) => `#${id}`),
      );
    }),
    elements: take(changeElements),
    ask,
    alive() {},
    async end() {
      hasEnded = true;
      await askDrawer();
      setMark("", "ended");
    },
  };
  // What somebody chose, or the end of the axis, changes what the stream has to send.
  document.addEventListener("parts", (event) => event.target.id === "results" && reopen());
  document.addEventListener("outgrown", reopen);
  setInterval(() => {
    if (hasEnded || document.hidden) return;
    if (isStale ? !isAsking() : Date.now() - heardAt > STALL_MS) reopen();
    else if (Date.now() - askedAt > DRAWER_MS) askDrawer();
  }, 1000);
  reopen();
}
