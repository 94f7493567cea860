/** A map that forgets what was set longest ago when it holds more than it may. */
export interface BoundedMap<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  /** The value, made and kept when there is none. */
  obtain(key: string): Value;
}

/** Everything that is learned is kept under names of which some come from callers, so none of it may grow freely. */
export function createBoundedMap<Value>(most: number, make: () => Value): BoundedMap<Value> {
  const values = new Map<string, Value>();

  function set(key: string, value: Value): void {
    values.delete(key);
    values.set(key, value);
    if (values.size <= most) return;
    const [oldest] = values.keys();
    if (oldest !== undefined) values.delete(oldest);
  }

  return {
    get: (key) => values.get(key),
    set,
    obtain(key) {
      const known = values.get(key);
      if (known !== undefined) return known;
      const value = make();
      set(key, value);
      return value;
    },
  };
}
