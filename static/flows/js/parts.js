// Takes parts of a page from the server and puts them in place of the same parts here.
export async function load(url, options = {}) {
  const line = document.querySelector(".wait-line");
  const slow = setTimeout(() => line?.classList.add("is-on"), 400);
  try {
    const answer = await fetch(url, { ...options, headers: { "X-Fragment": "1", ...(options.headers || {}) } });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, page: new DOMParser().parseFromString(text, "text/html") };
  } catch {
    return { ok: false, status: 0, page: null };
  } finally {
    clearTimeout(slow);
    line?.classList.remove("is-on");
  }
}

export function replaceParts(page, selectors) {
  let count = 0;
  for (const selector of selectors) {
    const fresh = page.querySelector(selector), old = document.querySelector(selector);
    if (!fresh || !old || fresh.outerHTML === old.outerHTML) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.name ? `[name="${CSS.escape(focused.name)}"]` : "");
    const scrolled = [...old.querySelectorAll(".canvas, .logs, .scroll")].map((node) => [node.scrollLeft, node.scrollTop]);
    const adopted = document.importNode(fresh, true);
    if (old.classList.contains("canvas")) adopted.className = old.className;
    old.replaceWith(adopted);
    [...adopted.querySelectorAll(".canvas, .logs, .scroll")].forEach((node, index) => scrolled[index] && node.scrollTo(...scrolled[index]));
    if (key) adopted.querySelector(key)?.focus({ preventScroll: true });
    adopted.dispatchEvent(new Event("parts", { bubbles: true }));
    count += 1;
  }
  return count;
}

export async function swap(url, selectors, options) {
  const { ok, page, status } = await load(url, options);
  if (page && (ok || status === 422)) replaceParts(page, selectors);
  return ok || status === 422;
}
