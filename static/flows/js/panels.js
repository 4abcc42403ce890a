// The panels beside the code: documentation that follows the cursor, forms of tasks, playground, files; hovers and run marks.
import { toast } from "./console.js";
import { all, context, editor, elementAt, fill, goTo, on, one, post, setText, token } from "./editor.js";

export function startPanels() {
  const box = one("#panel"),
    bar = one("#node-bar");
  let shown = "topology",
    element = null,
    timer,
    pollTimer,
    extra = {},
    kept = {};

  const about = (more) => context({ element: element?.[1], kind: element?.[2] ? "trigger" : "task", ...more });
  const ask = async (url, body) => {
    const answer = await post(url, body);
    return answer ? { ok: answer.ok, ...(await answer.json().catch(() => ({}))) } : {};
  };
  const isIn = (target) => target.contains(document.activeElement);

  async function load(more = {}) {
    extra = more;
    const name = shown,
      answer = await post(`/ui/flows/panel/${name}`, about(more));
    if (!answer || name !== shown) return;
    fill(box, await answer.text());
    box.dispatchEvent(new Event("parts", { bubbles: true }));
    const area = box.querySelector(".files [data-code]");
    if (area) (await import("./code_field.js")).growEditor(area);
    clearTimeout(pollTimer);
    if (name === "playground" && box.querySelector("[data-moves]"))
      pollTimer = setTimeout(() => shown === name && load(more), 700);
  }

  function show(name, more) {
    const isPicture = name === "topology",
      url = new URL(location);
    shown = name;
    // Forms and differences are of the moment: no address leads to them.
    if (!/form|difference/.test(name)) {
      localStorage.setItem("editor-panel", name);
      url.searchParams.set("panel", name);
      history.replaceState(null, "", url);
    }
    all("[role=tab]").forEach((tab) => tab.setAttribute("aria-selected", tab.dataset.panel === name));
    one("#picture").hidden = one("[data-fit]").hidden = !isPicture;
    box.hidden = isPicture;
    choose(element);
    if (!isPicture) return load(more);
  }

  function choose(found) {
    element = found;
    bar.classList.toggle("is-on", shown === "topology" && !!found);
    if (!found) return;
    one("#node-name").textContent = found[1];
    bar.classList.toggle("is-trigger", !!found[2]);
  }

  async function edit(body) {
    const { source, message = "The server does not answer.", element: made } = await ask("/ui/flows/edit", about(body));
    toast(message, source ? "" : "bad");
    if (!source) return;
    const row = setText(source);
    goTo(row + 1);
    if (made && /add|form/.test(body.act)) {
      element = [row + 1, made, body.kind === "trigger"];
      show("form");
    } else if (body.act === "form") show("topology");
  }

  const readInputs = (form) =>
    Object.fromEntries([...new FormData(form)].filter(([, value]) => typeof value === "string" && value));
  async function play(id, upTo) {
    const form = one("#play-inputs"),
      body = context({ element: id, upTo, inputs: form ? readInputs(form) : kept }),
      { ok, message = "The server does not answer.", id: execution } = await ask("/ui/flows/play", body);
    toast(message, ok ? "" : "bad");
    if (ok) show("playground", { execution });
  }
  on(box, "input", ({ target }) => {
    const form = target.closest("#play-inputs");
    if (form) kept = readInputs(form);
  });

  const place = (row, column) => editor.moveCursorTo(row, column);
  on(document, "click", ({ target }) => {
    const at = (name) => target.closest(`[data-${name}]`)?.dataset,
      { open = [], file } = extra;
    const tab = at("panel"),
      act = target.closest("[data-editor] [data-act]"),
      player = at("play"),
      past = at("show-run"),
      insert = at("insert"),
      wanted = at("file"),
      closed = at("file-close")?.fileClose;
    if (tab) {
      if (isHovered(target)) place(...last);
      show(tab.panel);
    }
    if (act) {
      act.closest("details")?.removeAttribute("open");
      edit({ ...act.dataset });
    }
    if (player) play(player.play || element?.[1], !!player.upTo);
    if (past) load({ execution: past.showRun });
    if (wanted) load({ file: wanted.file, open: [...new Set([...open, wanted.file])] });
    if (closed) {
      const left = open.filter((name) => name !== closed);
      load({ open: left, file: file === closed ? left.at(-1) : file });
    }
    if (insert) {
      editor.insert(insert.insert);
      editor.focus();
    }
  });
  on(
    document,
    "submit",
    async (event) => {
      const form = event.target,
        { editForm, panelForm, panelPost, asks } = form.dataset,
        isAdding = form.id === "add-form";
      if (editForm === undefined && !panelForm && !panelPost && form.id !== "play-inputs" && !isAdding) return;
      event.preventDefault();
      delete form.dataset.sent;
      const values = Object.fromEntries(new FormData(form));
      if (editForm !== undefined) edit({ act: "form", element: form.dataset.element, kind: form.dataset.kind, values });
      if (isAdding) {
        form.closest("details").open = false;
        edit({ act: "add", ...values });
      }
      if (panelForm) load(values);
      if (panelPost && (!asks || confirm(asks))) {
        const headers = { "X-CSRFToken": token },
          answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers }).catch(() => null),
          told = new URL(answer?.url || location).searchParams,
          fault = told.get("problem") || (answer?.ok ? "" : "This could not be done."),
          file = values.target || values.path || extra.file;
        toast(fault || told.get("note") || "Done", fault ? "bad" : "");
        if (!fault) load({ file, open: [...new Set([...(extra.open || []), file])] });
      }
    },
    true,
  );

  editor.selection.on("changeCursor", () => {
    choose(elementAt());
    clearTimeout(timer);
    if (shown === "docs" && !isIn(box)) timer = setTimeout(() => shown === "docs" && load(), 220);
  });
  on(document, "checked", () => {
    choose(elementAt());
    if (/docs|inputs/.test(shown) && !isIn(box)) load(extra);
  });

  // The mark beside the line number: choose what to run.
  editor.on("guttermousedown", (event) => {
    const { target, offsetX, shiftKey } = event.domEvent;
    if (!target.classList.contains("run-mark") || offsetX > 24) return;
    event.stop();
    choose(elementAt(event.getDocumentPosition().row + 1));
    if (shiftKey) play(element?.[1], true);
    else show("playground");
  });

  // A box with what stands under the pointer, which one can go into.
  const tip = one("#hover"),
    isHovered = (node) => tip.contains(node);
  let over,
    last = [];
  const hide = () => {
    clearTimeout(over);
    tip.hidden = true;
  };
  editor.on("mousemove", (event) => {
    const { row, column } = event.getDocumentPosition();
    if (row === last[0] && column === last[1]) return;
    const mine = (last = [row, column]);
    clearTimeout(over);
    over = setTimeout(
      async () => {
        tip.hidden = true;
        if (!editor.session.getLine(row)[column]?.trim()) return;
        const answer = await post("/ui/flows/explain", context({ line: row + 1, column: column + 1 })),
          html = answer?.ok ? await answer.text() : "";
        if (!html || mine !== last || one(".ace_autocomplete")?.offsetParent) return;
        fill(tip, html);
        tip.hidden = false;
        const { pageX, pageY } = editor.renderer.textToScreenCoordinates(row, column),
          { offsetWidth, offsetHeight } = tip,
          top = pageY - scrollY,
          below = top + editor.renderer.lineHeight;
        tip.style.left = `${Math.max(8, Math.min(pageX - 12, innerWidth - offsetWidth - 12))}px`;
        tip.style.top = `${below + offsetHeight > innerHeight ? Math.max(8, top - offsetHeight) : below}px`;
      },
      tip.hidden ? 380 : 250,
    );
  });
  on(tip, "mouseenter", () => clearTimeout(over));
  for (const node of [editor.container, tip])
    on(node, "mouseleave", ({ relatedTarget }) => isHovered(relatedTarget) || hide());
  editor.on("changeSelection", hide);
  editor.session.on("changeScrollTop", hide);

  choose(elementAt());
  const wanted = new URLSearchParams(location.search).get("panel") || localStorage.getItem("editor-panel");
  if (wanted && wanted !== "topology" && one(`[role=tab][data-panel="${CSS.escape(wanted)}"]`)) show(wanted);
  return { show };
}
