import type { Point } from "./series.ts";

/** Where a chart is drawn: its size, the time it begins at and how long it is, and the value at the top. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly span: number;
  readonly top: number;
}

/** The `d` of two SVG paths. */
export interface Sparkline {
  readonly line: string;
  /** The area below the line. */
  readonly area: string;
}

/** Points farther apart than this are not joined: nobody knows what was between them. In milliseconds. */
const BREAK = 3500;

export function sparkline(points: Iterable<Point>, frame: Frame): Sparkline {
  const runs: [number, number][][] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const { at, value } of points) {
    if (at < frame.from) continue;
    if (at - before > BREAK) runs.push([]);
    before = at;
    runs.at(-1)?.push([x(at, frame), y(value, frame)]);
  }
  return { line: runs.map(lineOf).join(""), area: runs.map((run) => areaOf(run, frame.height)).join("") };
}

/** A round value at or above the peak, so that the scale of a chart changes seldom: 1, 2 or 5 times a power of ten. */
export function niceTop(peak: number, least: number): number {
  if (peak <= least) return least;
  const power = 10 ** Math.floor(Math.log10(peak));
  const factor = [1, 2, 5].find((step) => peak <= step * power) ?? 10;
  return factor * power;
}

/** A run of one point is a short dash: a line of no length is not drawn. */
function lineOf(run: readonly (readonly [number, number])[]): string {
  const [first] = run;
  if (first === undefined) return "";
  const rest =
    run.length === 1
      ? `h0.5`
      : run
          .slice(1)
          .map(([x, y]) => `L${x} ${y}`)
          .join("");
  return `M${first[0]} ${first[1]}${rest}`;
}

function areaOf(run: readonly (readonly [number, number])[], height: number): string {
  const [first] = run;
  const last = run.at(-1);
  if (first === undefined || last === undefined || run.length === 1) return "";
  return `${lineOf(run)}L${last[0]} ${height}L${first[0]} ${height}Z`;
}

function x(at: number, { from, span, width }: Frame): number {
  return tenths(((at - from) / span) * width);
}

/** A pixel is left free above and below for the line's own width. */
function y(value: number, { height, top }: Frame): number {
  const share = Math.min(Math.max(value / top, 0), 1);
  return tenths(height - 1 - share * (height - 2));
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
