const due = new Set<() => void>();

/**
 * Has something drawn with the browser's next frame: once, however often it is asked for until then. While the page is
 * hidden there are no frames, and nothing is drawn.
 */
export function nextFrame(draw: () => void): void {
  if (due.size === 0) requestAnimationFrame(drawAll);
  due.add(draw);
}

function drawAll(): void {
  const all = [...due];
  due.clear();
  for (const draw of all) draw();
}
