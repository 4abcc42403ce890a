// The panels beside the code: documentation that follows the cursor, forms of tasks, playground, files; hovers and run marks.
import { toast } from "./console.js";

export function startPanels({ editor, context, post, setText, goTo, elementAt, token }) {
  const one = (selector) => document.querySelector(selector);
  const box = one("#panel"),
    bar = one("#node-bar");
  let shown = "topology",
    element = null,
    timer,
    pollTimer,
    extra = {};
  const live = { docs: 1, inputs: 1 };

  const fill = (target, html) =>
    target.replaceChildren(
      ...[...new DOMParser().parseFromString(html, "text/html").body.childNodes].map((node) => document.importNode(node, true)),
    );

  async function load(more = {}) {
    extra = more;
    const name = shown;
    const answer = await post(
      `/ui/flows/panel/${name}`,
      context({ element: element?.[1], kind: element?.[2] ? "trigger" : "task", ...more }),
    ).catch(() => null);
    if (!answer || name !== shown) return;
    fill(box, await answer.text());
    box.dispatchEvent(new Event("parts", { bubbles: true }));
    const area = box.querySelector("[data-code]");
    if (area) (await import("./code_field.js")).growEditor(area);
    clearTimeout(pollTimer);
    if (name === "playground" && box.querySelector("[data-moves]"))
      pollTimer = setTimeout(() => shown === name && load(more), 700);
  }

  function show(name, more) {
    shown = name;
    localStorage.setItem("editor-panel", name === "form" || name === "difference" ? "topology" : name);
    document.querySelectorAll("[data-panel]").forEach((tab) => tab.setAttribute("aria-selected", tab.dataset.panel === name));
    one("#picture").hidden = one("[data-fit]").hidden = name !== "topology";
    box.hidden = name === "topology";
    bar.classList.toggle("is-on", name === "topology" && !!element);
    if (name !== "topology") return load(more);
  }

  function choose(found) {
    if (found?.[1] === element?.[1]) return;
    element = found;
    bar.classList.toggle("is-on", shown === "topology" && !!found);
    if (!found) return;
    one("#node-name").textContent = found[1];
    bar.classList.toggle("is-trigger", !!found[2]);
  }

  async function edit(body) {
    const answer = await post(
      "/ui/flows/edit",
      context({ element: element?.[1], kind: element?.[2] ? "trigger" : "task", ...body }),
    ).catch(() => null);
    const found = answer && (await answer.json().catch(() => null));
    if (!found?.source) return toast(found?.message || "The server does not answer.", "bad");
    const row = setText(found.source);
    goTo(row + 1);
    toast(found.message);
    if (found.element && (body.act === "add" || body.act === "form")) {
      element = [row + 1, found.element, body.kind === "trigger"];
      show("form");
    } else if (body.act === "form") show("topology");
  }

  async function play(id, upTo) {
    const form = one("#play-inputs"),
      inputs = form
        ? Object.fromEntries([...new FormData(form)].filter(([, value]) => typeof value === "string" && value))
        : kept;
    const answer = await post("/ui/flows/play", context({ element: id, upTo, inputs })).catch(() => null);
    const found = answer && (await answer.json().catch(() => null));
    toast(found?.message || "The server does not answer.", answer?.ok ? "" : "bad");
    if (answer?.ok) show("playground", { execution: found.id });
  }
  let kept = {};
  box.addEventListener("input", () => {
    const form = one("#play-inputs");
    if (form) kept = Object.fromEntries([...new FormData(form)].filter(([, value]) => typeof value === "string" && value));
  });

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const tab = at("[data-panel]"),
      act = at("[data-act]"),
      player = at("[data-play]"),
      past = at("[data-show-run]"),
      insert = at("[data-insert]");
    if (tab) show(tab.dataset.panel);
    if (act && act.closest("[data-editor]")) {
      act.closest("details")?.removeAttribute("open");
      edit({ ...act.dataset });
    }
    if (player) play(player.dataset.play || element?.[1], !!player.dataset.upTo);
    if (past) load({ execution: past.dataset.showRun });
    const file = at("[data-file]"),
      closer = at("[data-file-close]");
    if (file) load({ file: file.dataset.file, open: [...new Set([...(extra.open || []), file.dataset.file])] });
    if (closer) {
      const open = (extra.open || []).filter((name) => name !== closer.dataset.fileClose);
      load({ open, file: extra.file === closer.dataset.fileClose ? open.at(-1) : extra.file });
    }
    if (insert) {
      editor.insert(insert.dataset.insert);
      editor.focus();
    }
  });
  document.addEventListener(
    "submit",
    async (event) => {
      const form = event.target,
        { editForm, panelForm, panelPost } = form.dataset;
      if (editForm === undefined && !panelForm && !panelPost && form.id !== "play-inputs" && form.id !== "add-form") return;
      event.preventDefault();
      delete form.dataset.sent;
      const values = Object.fromEntries(new FormData(form));
      if (editForm !== undefined) edit({ act: "form", element: form.dataset.element, kind: form.dataset.kind, values });
      if (form.id === "add-form") {
        form.closest("details").open = false;
        edit({ act: "add", ...values });
      }
      if (panelForm) load(values);
      if (panelPost && (!form.dataset.asks || confirm(form.dataset.asks))) {
        const answer = await fetch(form.action, {
          method: "POST",
          body: new FormData(form),
          headers: { "X-CSRFToken": token },
        }).catch(() => null);
        const told = new URL(answer?.url || location).searchParams,
          fault = told.get("problem") || (answer?.ok ? "" : "This could not be done.");
        toast(fault || told.get("note") || "Done", fault ? "bad" : "");
        const file = values.target || values.path || extra.file;
        if (!fault) load({ file, open: [...new Set([...(extra.open || []), file])] });
      }
    },
    true,
  );

  editor.selection.on("changeCursor", () => {
    choose(elementAt(editor.getCursorPosition().row + 1));
    clearTimeout(timer);
    if (shown === "docs" && !box.contains(document.activeElement)) timer = setTimeout(() => shown === "docs" && load(), 220);
  });
  document.addEventListener("checked", () => {
    choose(elementAt(editor.getCursorPosition().row + 1));
    if (live[shown] && !box.contains(document.activeElement)) load(extra);
  });

  // The mark beside the line number: choose what to run.
  editor.on("guttermousedown", (event) => {
    const row = event.getDocumentPosition().row;
    if (!event.domEvent.target.classList.contains("run-mark") || event.domEvent.offsetX > 24) return;
    event.stop();
    choose(elementAt(row + 1));
    if (event.domEvent.shiftKey) play(element?.[1], true);
    else show("playground");
  });

  // A box with what stands under the pointer.
  const tip = one("#hover");
  let over,
    last = "";
  editor.on("mousemove", (event) => {
    const { row, column } = event.getDocumentPosition(),
      key = `${row}:${column}`;
    if (key === last) return;
    last = key;
    clearTimeout(over);
    tip.hidden = true;
    const text = editor.session.getLine(row);
    if (column >= text.length || !text[column]?.trim()) return;
    over = setTimeout(async () => {
      const answer = await post("/ui/flows/explain", { ...context(), line: row + 1, column: column + 1 }).catch(() => null);
      const html = answer?.ok ? await answer.text() : "";
      if (!html || key !== last || one(".ace_autocomplete")?.offsetParent) return;
      fill(tip, html);
      const { pageX, pageY } = editor.renderer.textToScreenCoordinates(row, column);
      tip.hidden = false;
      tip.style.left = `${Math.max(8, Math.min(pageX, innerWidth - tip.offsetWidth - 12))}px`;
      const below = pageY - scrollY + editor.renderer.lineHeight + 4;
      tip.style.top = `${below + tip.offsetHeight > innerHeight ? Math.max(8, below - tip.offsetHeight - editor.renderer.lineHeight - 8) : below}px`;
    }, 380);
  });
  const hide = () => {
    clearTimeout(over);
    last = "";
    tip.hidden = true;
  };
  editor.container.addEventListener("mouseleave", hide);
  editor.on("changeSelection", hide);
  editor.session.on("changeScrollTop", hide);

  const first = localStorage.getItem("editor-panel");
  if (first && first !== "topology" && one(`[data-panel="${first}"]`)) show(first);
  return { show };
}
