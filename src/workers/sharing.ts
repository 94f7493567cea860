/** One thing that is counted or known, of which each worker has an object of its own. */
export interface Subject<State> {
  /** What holds for all workers, as plain JSON. */
  save(): State;
  /**
   * Takes over what another worker has saved. `elsewhere` is what is under way in the other workers: sums over what
   * their `held` told, 0 for what none of them did.
   */
  load(state: State, elsewhere: readonly number[]): void;
  /** What is under way in this process, as amounts: when the process dies, others forget it. */
  held(): readonly number[];
}

/** A subject, shared. */
export interface Shared {
  /**
   * Brings the subject up to date, runs `act`, and tells the others what has changed. No other worker changes any
   * subject of the same area meanwhile. May be nested, which is how several subjects change together. Must not wait.
   */
  update<Result>(act: () => Result): Result;
  /** Brings the subject up to date, at most once in a turn of the event loop. */
  refresh(): void;
  /** The subject is not used any more, for now: what the others are told about it goes. */
  forget(): void;
}

/** A place where subjects of the same kind are shared. Nothing of it ever throws. */
export interface Sharing {
  /** False: this process is the only one. */
  readonly isShared: boolean;
  /** False when the last update did not reach the others, or could not know what they did. */
  readonly isIntact: boolean;
  join<State>(name: string, subject: Subject<State>): Shared;
}

const own: Shared = {
  update: (act) => act(),
  refresh: () => {},
  forget: () => {},
};

/** For a process that has nobody to share with. */
export const unshared: Sharing = { isShared: false, isIntact: true, join: () => own };
