/** What a worker is told by the environment variable `LLM_GATEWAY_WORKER`, as JSON. */
export interface Role {
  /** From 0; the replacement of a worker takes its place. */
  readonly slot: number;
  readonly count: number;
  /** Whether it is there from the beginning. */
  readonly isFresh: boolean;
  /** Where what is shared lies. */
  readonly folder: string;
}

const ROLE_VARIABLE = 'LLM_GATEWAY_WORKER';

/** The environment of a worker. */
export function environmentOf(role: Role): Record<string, string> {
  return { [ROLE_VARIABLE]: JSON.stringify(role) };
}

/**
 * Whether this process was started by `serve --workers`: whatever else starts processes that it talks to sets no such
 * variable. Without `node:cluster`, which others need not load.
 */
export function isWorker(): boolean {
  return process.send !== undefined && process.env[ROLE_VARIABLE] !== undefined;
}

export function ownRole(): Role {
  return JSON.parse(process.env[ROLE_VARIABLE] ?? '');
}
