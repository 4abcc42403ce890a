// The box with what stands under the pointer in the editor, which one can go into. It comes with the first movement.
import { context, editor, fill, on, one, post } from "./editor.js";

export function startHover({ clientX, clientY, target }) {
  const tip = one("#hover"),
    isHovered = (node) => tip.contains(node);
  let over,
    last = [];
  const hide = () => {
    clearTimeout(over);
    tip.hidden = true;
  };
  const point = ({ row, column }) => {
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
  };
  editor.on("mousemove", (event) => point(event.getDocumentPosition()));
  // The pointer may rest already.
  if (target.closest(".ace_scroller")) point(editor.renderer.screenToTextCoordinates(clientX, clientY));
  // What is evaluated is the expression under the pointer, so the cursor goes there first.
  on(tip, "click", ({ target }) => target.closest("[data-panel]") && editor.moveCursorTo(...last), true);
  on(tip, "mouseenter", () => clearTimeout(over));
  for (const node of [editor.container, tip])
    on(node, "mouseleave", ({ relatedTarget }) => isHovered(relatedTarget) || hide());
  editor.on("changeSelection", hide);
  editor.session.on("changeScrollTop", hide);
}
