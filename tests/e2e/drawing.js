() => {
  // The parts of a drawn flow with their places in the window: boxes of tasks, frames of groups, dots, and lines as points.
  const picture = document.querySelector("svg.topology");
  const place = (node) => {
    const box = node.getBoundingClientRect();
    return { left: box.left, top: box.top, right: box.right, bottom: box.bottom };
  };
  const boxes = (selector) =>
    [...picture.querySelectorAll(selector)].map((node) => ({
      id: node.dataset.task ?? node.getAttribute("aria-label") ?? "",
      classes: node.getAttribute("class"),
      label: node.getAttribute("aria-label") ?? "",
      words: node.textContent,
      ...place(node.querySelector("rect")),
    }));
  const lines = [...picture.querySelectorAll("path.line")].map((path) => {
    const length = path.getTotalLength(),
      matrix = path.getScreenCTM(),
      steps = Math.max(2, Math.ceil(length / 3));
    return Array.from({ length: steps + 1 }, (_, step) => {
      const point = path.getPointAtLength((length * step) / steps).matrixTransform(matrix);
      return [point.x, point.y];
    });
  });
  return {
    nodes: boxes("g.node:not(.is-trigger)"),
    frames: boxes("g.frame"),
    triggers: boxes("g.node.is-trigger"),
    labels: [...picture.querySelectorAll("g.label")].map((node) => node.textContent),
    dots: [...picture.querySelectorAll("circle.dot")].map(place),
    lines,
    picture: place(picture),
  };
}
