import Type, { type Static } from 'typebox';

/**
 * What the gateway itself needs of a request body. Everything else is between the client and the upstream:
 * unknown fields, nulls and new roles pass.
 */
const routed = {
  model: Type.String({ minLength: 1, maxLength: 512 }),
  stream: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
};

/** `POST /v1/chat/completions` */
export const chatBody = Type.Object({
  ...routed,
  messages: Type.Array(Type.Object({}), { minItems: 1 }),
});

/** `POST /v1/embeddings` */
export const embeddingsBody = Type.Object({
  ...routed,
  input: Type.Union([Type.String(), Type.Array(Type.Unknown(), { minItems: 1 })]),
});

/** A body that is routed by its `model`. */
export type RoutedBody = Static<typeof chatBody> | Static<typeof embeddingsBody>;
