import { createHash } from 'node:crypto';

const DEFAULT_DIMENSIONS = 16;
const MAX_DIMENSIONS = 4096;

/** An OpenAI embeddings answer with unit vectors made from a hash of each input, or what is wrong with the request. */
export function embeddings(body: Record<string, unknown>) {
  const inputs = inputsOf(body.input);
  if (!inputs) return '`input` must be a string, or a non-empty array of strings, tokens or token arrays.';
  const dimensions = body.dimensions ?? DEFAULT_DIMENSIONS;
  if (!isDimensions(dimensions)) return `\`dimensions\` must be an integer from 1 to ${MAX_DIMENSIONS}.`;
  const tokens = inputs.reduce((sum, input) => sum + sizeOf(input), 0);
  return {
    object: 'list',
    data: inputs.map((input, index) => {
      const vector = vectorOf(JSON.stringify(input), dimensions);
      const embedding = body.encoding_format === 'base64' ? toBase64(vector) : Array.from(vector);
      return { object: 'embedding', index, embedding };
    }),
    model: typeof body.model === 'string' ? body.model : 'echo',
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

type Input = string | number[];

function inputsOf(input: unknown): Input[] | null {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input) || input.length === 0) return null;
  if (isTokens(input)) return [input];
  return input.every((item): item is Input => typeof item === 'string' || isTokens(item)) ? input : null;
}

function isTokens(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

function isDimensions(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_DIMENSIONS;
}

function sizeOf(input: Input): number {
  return typeof input === 'string' ? (input.match(/\S+/g)?.length ?? 0) : input.length;
}

/** Each block of the hash gives eight coordinates; 32 random bits each make a zero vector impossible in practice. */
function vectorOf(text: string, dimensions: number): Float32Array {
  const values: number[] = [];
  for (let block = 0; values.length < dimensions; block++) {
    const digest = createHash('sha256').update(`${block}:${text}`).digest();
    for (let at = 0; at < digest.length && values.length < dimensions; at += 4) {
      values.push((digest.readUInt32LE(at) + 0.5) / 2 ** 31 - 1);
    }
  }
  const length = Math.hypot(...values);
  return Float32Array.from(values, (value) => value / length);
}

function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4);
  });
  return bytes.toString('base64');
}
