/** Ends the command with a message for the person who typed it: no stack trace. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  /** 1: it could not be done. 2: it was asked for in the wrong way. */
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The arguments make no sense. `near` is what may have been meant. */
export function usage(problem: string, near: string | null, command: string | null): CommandError {
  const hint = near === null ? '' : `, did you mean ${near}?`;
  const help = `llm-gateway ${command === null ? '' : `${command} `}--help`;
  return new CommandError(`${problem}${hint}\nRun "${help}" for what there is.`, 2);
}

/** A code such as `EADDRINUSE`; empty when the error has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
