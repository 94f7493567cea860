import type { Tried } from './send.js';

/**
 * The first answer of two targets, the second of which is asked when the first has given none for `delayMs`. A failure
 * before that is the result; after it, the other one may still answer. `second` returns null when nobody is to be asked.
 */
export async function race(
  first: Promise<Tried>,
  delayMs: number,
  second: () => Promise<Tried> | null,
): Promise<Tried> {
  const early = await within(first, delayMs);
  if (early !== null) return early;
  const other = second();
  return other === null ? first : firstAnswer([first, other]);
}

/**
 * The first that answers, else the last failure, but for one that another target would not mend. An answer that comes
 * too late is discarded.
 */
function firstAnswer(tries: readonly Promise<Tried>[]): Promise<Tried> {
  return new Promise((resolve, reject) => {
    let left = tries.length;
    let won = false;
    let final: Tried | null = null;
    for (const tried of tries) tried.then(take, reject);

    function take(result: Tried): void {
      left--;
      if ('answer' in result) {
        if (won) result.discard();
        won = true;
        resolve(result);
        return;
      }
      if (result.action === 'stop') final = result;
      if (left === 0) resolve(final ?? result);
    }
  });
}

/** The result, or null when it does not come in time. */
async function within(result: Promise<Tried>, ms: number): Promise<Tried | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
