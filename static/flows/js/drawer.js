// The drawer beside a page: a task run or a file, which the address names too. More rows of a table come while one scrolls.
import { swap } from "./console.js";

const find = (selector) => document.querySelector(selector);

let wanted = "";
export async function open(href) {
  wanted = href;
  const isShown = await swap(href, ["#drawer"]);
  // Another one was asked for meanwhile, or none any more.
  if (wanted !== href) return wanted || close();
  if (!isShown) {
    location = href;
    return;
  }
  history.replaceState(null, "", href);
  find(".drawer [data-drawer-close]")?.focus();
  watch();
}

export function close() {
  wanted = "";
  const url = new URL(location);
  for (const name of ["task", "file", "rows", "encoding", "inputs"]) url.searchParams.delete(name);
  history.replaceState(null, "", url);
  find("#drawer")?.replaceChildren();
}

const seen = new IntersectionObserver(
  async (found) => {
    const link = found.find((each) => each.isIntersecting)?.target;
    if (!link) return;
    seen.unobserve(link);
    if (await swap(link.href, ["#drawer"])) history.replaceState(null, "", link.href);
    watch();
  },
  { rootMargin: "300px" },
);
function watch() {
  const link = find(".drawer [data-more-rows]");
  if (link) seen.observe(link);
}
