import { endianness } from 'node:os';
import type { StoredCell } from './cell.js';
import { FIGURES, type Figures, noFigures } from './sums.js';

const HEADER = 8;
const FLOAT = 8;
const IS_LITTLE_ENDIAN = endianness() === 'LE';

/**
 * The numbers of a summary in one blob: how many figures and how long the first histogram is, as 16-bit numbers, and
 * four bytes that align what follows: the figures as 64-bit floats, then both histograms. All little-endian. To read
 * twenty columns instead would take three times as long, and a report reads thousands of rows.
 */
export function packFigures({ figures, total, firstContent }: StoredCell): Buffer {
  const histograms = HEADER + figures.length * FLOAT;
  const packed = Buffer.allocUnsafe(histograms + total.length + firstContent.length);
  packed.writeUInt16LE(figures.length, 0);
  packed.writeUInt16LE(total.length, 2);
  packed.writeUInt32LE(0, 4);
  writeFigures(packed, figures);
  packed.set(total, histograms);
  packed.set(firstContent, histograms + total.length);
  return packed;
}

/** What `packFigures` packed, in place where that is possible. Figures that are newer than the blob are unknown. */
export function unpackFigures(packed: Buffer): Pick<StoredCell, 'figures' | 'total' | 'firstContent'> {
  const { buffer, byteOffset, byteLength } = packed;
  const count = packed.readUInt16LE(0);
  const start = byteOffset + HEADER + count * FLOAT;
  const middle = start + packed.readUInt16LE(2);
  return {
    figures: readFigures(packed, count),
    total: new Uint8Array(buffer, start, middle - start),
    firstContent: new Uint8Array(buffer, middle, byteOffset + byteLength - middle),
  };
}

function writeFigures(packed: Buffer, figures: Figures): void {
  if (IS_LITTLE_ENDIAN) {
    packed.set(new Uint8Array(figures.buffer, figures.byteOffset, figures.byteLength), HEADER);
    return;
  }
  for (const [position, value] of figures.entries()) packed.writeDoubleLE(value, HEADER + position * FLOAT);
}

function readFigures(packed: Buffer, count: number): Figures {
  const { buffer, byteOffset } = packed;
  const isAligned = byteOffset % FLOAT === 0 && IS_LITTLE_ENDIAN;
  if (isAligned && count === FIGURES.length) return new Float64Array(buffer, byteOffset + HEADER, count);
  const figures = noFigures();
  for (let position = 0; position < Math.min(count, FIGURES.length); position += 1) {
    figures[position] = packed.readDoubleLE(HEADER + position * FLOAT);
  }
  return figures;
}
