const PERIOD_MS = 2000;

/** Tells when other processes have written to the database. */
export interface Watch {
  /** Returns how to stop. */
  subscribe(listener: () => void): () => void;
  stop(): void;
}

/**
 * Asks every two seconds, while somebody wants to know, for a text that changes when another process has written. A
 * database that cannot be read has not changed. No timer of it keeps the process alive.
 */
export function createWatch(changes: () => Promise<string>): Watch {
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | null = null;
  let asking = false;
  let last: string | null = null;

  async function look(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      const now = await changes();
      const changed = last !== null && last !== now;
      last = now;
      if (changed) for (const listener of listeners) listener();
    } catch {
      // It is asked again, and what was written meanwhile shows then.
    } finally {
      asking = false;
    }
  }

  function stop(): void {
    if (timer !== null) clearInterval(timer);
    timer = null;
  }

  return {
    subscribe(listener) {
      listeners.add(listener);
      if (timer === null) {
        timer = setInterval(() => void look(), PERIOD_MS).unref();
        void look();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
      };
    },
    stop,
  };
}
