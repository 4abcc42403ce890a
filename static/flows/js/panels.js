// The panels around the code, in two columns: documentation that follows the cursor, forms of tasks, playground, files.
import { toast } from "./console.js";
import { all, context, editor, elementAt, fillAndTell, goTo, keepChoice, on, one, post, read, setText, token } from "./editor.js";

const SHOWN = "[role=tab][aria-selected=true]";
const boxOf = (name) => one(`#panel-${name}`),
  isShown = (name) => !boxOf(name).hidden,
  columnOf = (node) => node.closest("[data-column]");
export const tabOf = (name) => one(`#tab-${name}`),
  tabsOf = (column) => [...column.querySelectorAll("[role=tab]:not([data-passing])")],
  shownIn = (column) => column.querySelector(SHOWN).dataset.panel;

export function startPanels() {
  const bar = one("#node-bar"),
    // What each panel was asked for beside the text and the cursor.
    extra = {};
  let element = null,
    timer,
    pollTimer,
    kept = "";

  const about = (more) => context({ element: element?.[1], kind: element?.[2] ? "trigger" : "task", ...more });
  const ask = async (url, body) => {
    const answer = await post(url, body);
    return answer ? { ok: answer.ok, ...(await read(answer)) } : {};
  };

  async function load(name, more = {}) {
    // Each question is an object of its own, so that the answer to an older one never takes the place of a newer one's.
    const box = boxOf(name),
      mine = (extra[name] = { ...more }),
      answer = await post(`/ui/flows/panel/${name}`, about({ ...more, ...(name === "inputs" && { inputs: readInputs() }) })),
      html = await answer?.text();
    if (extra[name] !== mine || box.hidden) return;
    if (answer) fillAndTell(box, html);
    const area = box.querySelector(".files [data-code]");
    if (area) (await import("./code_field.js")).growEditor(area);
    if (name !== "playground") return;
    clearTimeout(pollTimer);
    if (box.querySelector("[data-moves]")) pollTimer = setTimeout(() => isShown(name) && load(name, extra[name]), 700);
  }
  const refresh = (names) => {
    for (const name of names) if (isShown(name) && !boxOf(name).contains(document.activeElement)) load(name, extra[name]);
  };

  function show(name, more) {
    const own = tabOf(name);
    for (const tab of columnOf(own).querySelectorAll("[role=tab]")) {
      const isOwn = tab === own;
      tab.setAttribute("aria-selected", isOwn);
      tab.tabIndex = isOwn - 1;
      boxOf(tab.dataset.panel).hidden = !isOwn;
      if ("passing" in tab.dataset) tab.hidden = !isOwn;
    }
    own.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (name === "code") editor.resize(true);
    keepColumns();
    if (!/code|topology/.test(name)) return load(name, more);
  }

  // Forms and differences are of the moment: no address leads to them.
  function keepColumns() {
    const names = (tabs) => tabs.filter((tab) => !("passing" in tab.dataset)).map((tab) => tab.dataset.panel),
      shown = names(all(SHOWN)),
      url = new URL(location),
      value = `${names(tabsOf(one("[data-column=left]"))).join(".")}~${shown.join(".")}`;
    url.searchParams.delete("panel");
    for (const name of shown) if (name !== "code") url.searchParams.append("panel", name);
    history.replaceState(null, "", url);
    keepChoice("editor-columns", value);
  }

  function choose(found) {
    element = found;
    bar.classList.toggle("is-on", !!found);
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

  // What somebody entered, as a query; fields that nobody touched follow their defaults.
  function readInputs() {
    const form = one("#play-inputs"),
      names = form?.dataset.touched?.split("\n").filter(Boolean);
    if (names)
      kept = `${new URLSearchParams([
        ...[...new FormData(form)].filter(([name, value]) => names.includes(name.replace(/\+$/, "")) && value.trim),
        ...names.map((name) => ["touched", name]),
      ])}`;
    return kept;
  }
  on(document, "formdata", ({ target, formData }) => target.id === "play-inputs" && formData.set("source", editor.getValue()));
  async function play(id, upTo) {
    const body = context({ element: id, upTo, inputs: readInputs() }),
      { ok, message = "The server does not answer.", id: execution } = await ask("/ui/flows/play", body);
    toast(message, ok ? "" : "bad");
    if (ok) show("playground", { execution });
  }

  on(document, "click", ({ target }) => {
    const at = (name) => target.closest(`[data-${name}]`)?.dataset,
      { open = [], file } = extra.files || {};
    const tab = at("panel"),
      act = target.closest("[data-editor] [data-act]"),
      player = at("play"),
      past = at("show-run"),
      insert = at("insert"),
      wanted = at("file"),
      closed = at("file-close")?.fileClose;
    if (tab) show(tab.panel);
    if (at("move")) import("./columns.js").then(({ movePanel }) => movePanel(columnOf(target), show));
    if (act) {
      act.closest("details")?.removeAttribute("open");
      edit({ ...act.dataset });
    }
    if (player) play(player.play || element?.[1], !!player.upTo);
    if (past) load("playground", { execution: past.showRun });
    if (wanted) load("files", { file: wanted.file, open: [...new Set([...open, wanted.file])] });
    if (closed) {
      const left = open.filter((name) => name !== closed);
      load("files", { open: left, file: file === closed ? left.at(-1) : file });
    }
    if (insert) {
      editor.insert(insert.insert);
      editor.focus();
    }
  });
  on(document, "keydown", ({ target, key }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!step || !target.matches?.("[role=tab]")) return;
    const tabs = tabsOf(columnOf(target)),
      next = tabs.at((tabs.indexOf(target) + step) % tabs.length);
    next.focus();
    show(next.dataset.panel);
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
      if (panelForm) load(panelForm, values);
      if (panelPost && (!asks || confirm(asks))) {
        const headers = { "X-CSRFToken": token },
          { file: was, open = [] } = extra.files || {},
          answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers }).catch(() => null),
          told = new URL(answer?.url || location).searchParams,
          fault = told.get("problem") || (answer?.ok ? "" : "This could not be done."),
          file = values.target || values.path || was;
        toast(fault || told.get("note") || "Done", fault ? "bad" : "");
        // A saved text stands in the panel already, and what is typed beside it stays.
        if (!fault && !form.action.endsWith("file-save")) load("files", { file, open: [...new Set([...open, file])] });
      }
    },
    true,
  );

  editor.selection.on("changeCursor", () => {
    choose(elementAt());
    clearTimeout(timer);
    extra.docs = {};
    timer = setTimeout(() => refresh(["docs"]), 220);
  });
  on(document, "checked", () => {
    choose(elementAt());
    refresh(["docs", "inputs"]);
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
  let pointer, hover;
  on(editor.container, "mousemove", (event) => {
    pointer = event;
    hover ||= import("./hover.js").then(({ startHover }) => startHover(pointer));
  });

  choose(elementAt());
  for (const { dataset } of all(SHOWN)) if (!/code|topology/.test(dataset.panel)) load(dataset.panel);
  return { show };
}
