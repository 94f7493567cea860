/** Sums for a weighted least-squares line through pairs of input and output tokens. */
export interface Line {
  weight: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
}

/** Before anything is known: 200 tokens of an answer, whatever the question. It weighs as much as one exchange. */
const FIRST_GUESS = 200;
/** From so many exchanges on a slope is more than chance. */
const ENOUGH = 8;

/** No pair yet. */
export function emptyLine(): Line {
  return { weight: 0, x: 0, y: 0, xx: 0, xy: 0 };
}

/** Adds a pair; all earlier ones keep this part of their weight. */
export function addPoint(line: Line, x: number, y: number, keep: number): void {
  line.weight = line.weight * keep + 1;
  line.x = line.x * keep + x;
  line.y = line.y * keep + y;
  line.xx = line.xx * keep + x * x;
  line.xy = line.xy * keep + x * y;
}

/** The line goes through the means, so that sums of estimates meet sums of answers; it never falls below zero. */
export function valueAt({ weight, x, y, xx, xy }: Line, input: number): number {
  if (weight < ENOUGH) return (y + FIRST_GUESS) / (weight + 1);
  const spread = xx - (x * x) / weight;
  // Inputs that are all alike say nothing about a slope.
  const slope = spread < 1e-3 * xx ? 0 : Math.max(0, (xy - (x * y) / weight) / spread);
  const base = (y - slope * x) / weight;
  return base < 0 ? (y / x) * input : base + slope * input;
}
