import type { GatewayOptions } from '../config.js';
import type { FeedItem, Questions } from './workers.js';

/** What a worker tells the primary process. */
export type FromWorker =
  /** It runs, and wants to know what to serve. Before that it hears nothing. */
  | { readonly kind: 'hello' }
  /** It takes part from now on: the others may ask it. */
  | { readonly kind: 'joined' }
  /** It listens; `lines` is what is to be printed once for all. */
  | { readonly kind: 'listening'; readonly lines: readonly string[] }
  | { readonly kind: 'ask'; readonly id: number; readonly question: keyof Questions }
  /** `value` is left out when there is no answer. */
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown }
  /** Whether somebody reads the feed there. */
  | { readonly kind: 'want'; readonly wanted: boolean }
  | { readonly kind: 'publish'; readonly item: FeedItem };

/** What the primary process tells a worker. */
export type ToWorker =
  /** The configuration, which was read once for all. */
  | { readonly kind: 'start'; readonly options: GatewayOptions; readonly file: string | null }
  | { readonly kind: 'question'; readonly id: number; readonly question: keyof Questions }
  | {
      readonly kind: 'answers';
      readonly id: number;
      readonly values: readonly unknown[];
      readonly complete: boolean;
    }
  | { readonly kind: 'wanted'; readonly wanted: boolean }
  | { readonly kind: 'item'; readonly item: FeedItem };
