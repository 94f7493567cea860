/**
 * Why an upload could not be taken:
 * - `malformed`: it is not the form that its headers promise, or one the gateway and an upstream might read differently;
 * - `too_large`: it has more bytes than allowed;
 * - `incomplete`: it broke off before its end, so its sender is most likely gone;
 * - `aborted`: the caller's signal ended it;
 * - `storage`: the temporary folder does not take it. The message names the folder: it is for the log.
 */
export type UploadFailure = 'malformed' | 'too_large' | 'incomplete' | 'aborted' | 'storage';

export interface UploadErrorDetails {
  /** The form field that is wrong. */
  param?: string | undefined;
  cause?: unknown;
}

/** An upload that could not be taken; `kind` says whose fault it is. */
export class UploadError extends Error {
  override readonly name = 'UploadError';
  readonly kind: UploadFailure;
  readonly param: string | null;

  constructor(kind: UploadFailure, message: string, details: UploadErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.param = details.param ?? null;
  }
}

export function malformed(message: string, param?: string): UploadError {
  return new UploadError('malformed', message, { param });
}
