import type { Child } from './children.js';
import type { Destination } from './requests.js';

/** What is measured. `direct` is the provider itself, without anything between. */
export type SubjectName = 'direct' | 'floor' | 'gateway' | 'gateway-all' | 'gateway-off' | 'portkey';

export interface Subject extends Destination {
  readonly name: SubjectName;
  /** Null for `direct`. */
  readonly child: Child | null;
  stop(): Promise<void>;
}

export interface Surroundings {
  /** Of the provider. */
  readonly mockPort: number;
  /** What comes before the command of a measured process. */
  readonly prefix: readonly string[];
  /** Options of `node` for it. */
  readonly nodeOptions?: readonly string[];
  /** An existing database for the gateway; else one in a temporary folder. */
  readonly database?: string | null;
}

/** A subject that speaks the OpenAI API below `/v1`. */
export function subjectOf(
  name: SubjectName,
  child: Child,
  headers: readonly string[],
  stop: () => Promise<void>,
): Subject {
  return { name, child, port: child.port, path: '/v1/chat/completions', headers, stop };
}
