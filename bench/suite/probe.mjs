// Loaded into a measured process with `--import`. Answers questions over the channel that `fork` would open: how late its event loop
// was since the last reset, and what it holds in memory. Ends the process when whoever measures is gone.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const RESOLUTION_MS = 10;

// Threads are started with the same options as the process.
if (isMainThread && process.send !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // What is recorded is the time between two ticks of its timer.
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const answers = {
    reset: () => delay.reset(),
    delay: () => ({ p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) }),
    memory() {
      globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      return { rss, heapUsed, external, resources: process.getActiveResourcesInfo() };
    },
  };
  process.on('message', (question) => process.send({ answer: answers[question]() ?? null }));
  process.on('disconnect', () => process.exit());
  process.channel.unref();
}
