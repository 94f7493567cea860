import { type Exchange, sinceStart } from '../exchange.js';
import type { Won } from './attempt.js';
import { type Control, createControl } from './control.js';
import type { Tried } from './send.js';

/**
 * Runs tries that end with the exchange when that is cancelled, each with a control of its own. What answered is
 * accepted, the others are stopped.
 */
export async function attended(
  exchange: Exchange,
  run: (control: () => Control) => Promise<Tried>,
): Promise<Tried> {
  const controls: Control[] = [];
  const startedUs = sinceStart(exchange);
  exchange.onCancel = () => {
    const [kept, ...others] = controls.filter((control) => control.stop !== null);
    kept?.stop?.();
    for (const control of others) {
      if (exchange.draining === null) control.stop?.();
      // One answer is read on for the record.
      else stop(control);
    }
  };
  const tried = await run(() => {
    const { capture } = exchange;
    const control = createControl(controls.length > 0 ? capture?.beside() : capture?.next());
    controls.push(control);
    return control;
  });
  exchange.upstreamUs += sinceStart(exchange) - startedUs;
  tried.control.captured?.keep();
  if ('failure' in tried) {
    exchange.onCancel = null;
    return tried;
  }
  for (const control of controls) if (control !== tried.control) stop(control);
  take(exchange, tried);
  return tried;
}

function take(exchange: Exchange, won: Won): void {
  // What is whole needs no more watching; a stream does until it ends, and then says so itself.
  if (Buffer.isBuffer(won.answer.body)) exchange.onCancel = null;
  won.accept();
}

function stop(control: Control): void {
  control.lost = true;
  control.stop?.();
}
