const NANO = 1e9;
const DECIMALS = 9;

/** Whole nano-USD as USD without an exponent, with no more decimals than there are. `toFixed` takes five times as long. */
export function usd(nano: number): string {
  const amount = Math.abs(nano);
  const sign = nano < 0 ? '-' : '';
  const whole = Math.floor(amount / NANO);
  let rest = amount - whole * NANO;
  if (rest === 0) return `${sign}${whole}`;
  let decimals = DECIMALS;
  for (; rest % 10 === 0; decimals--) rest /= 10;
  return `${sign}${whole}.${String(rest).padStart(decimals, '0')}`;
}
