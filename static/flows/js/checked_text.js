// A text that the server checks while somebody writes: it is asked when the hand rests, and what it says stands beside the lines.
export function wireChecks(form) {
  const area = form.querySelector("textarea[data-code]"),
    { session } = form.querySelector(".code-field").env.editor;
  const mark = () => {
    const notes = [...form.querySelectorAll("#checks [data-line]")].map((note) => ({
      row: note.dataset.line - 1,
      column: 0,
      type: note.classList.contains("warn") ? "warning" : "error",
      text: note.textContent.trim().replace(/\s+/g, " "),
    }));
    session.setAnnotations(notes);
    for (const { id, clazz } of Object.values(session.getMarkers())) if (clazz === "fault-line") session.removeMarker(id);
    for (const { row, type } of notes) if (type === "error") session.highlightLines(row, row, "fault-line");
  };
  let rest;
  const ask = () => {
    clearTimeout(rest);
    rest = setTimeout(() => area.dispatchEvent(new Event("change", { bubbles: true })), 500);
  };
  session.on("change", ask);
  form.addEventListener("parts", mark);
  mark();
  // What was written while this came.
  if (area.value !== area.defaultValue) ask();
}
