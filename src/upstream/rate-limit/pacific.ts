import { DAY_MS, HOUR_MS } from './duration.js';

/** Made when it is needed: it takes 10 ms. */
let clock: Intl.DateTimeFormat | null = null;

/** The next midnight after `now` (epoch ms) in Pacific time, which is when Google's daily quotas begin anew. */
export function nextPacificMidnight(now: number): number {
  const candidate = now + DAY_MS - sinceMidnight(now);
  // A day on which the clocks change is an hour shorter or longer.
  const off = sinceMidnight(candidate);
  return off < DAY_MS / 2 ? candidate - off : candidate + DAY_MS - off;
}

function sinceMidnight(at: number): number {
  clock ??= new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/Los_Angeles',
    hourCycle: 'h23',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  const [hours = 0, minutes = 0, seconds = 0] = clock.format(at).split(':').map(Number);
  // The zone's offset is whole minutes, so the milliseconds are the same everywhere.
  return hours * HOUR_MS + minutes * 60_000 + seconds * 1000 + (at % 1000);
}
