import type OpenAI from 'openai';
import { also, type Call, call, file, MODEL } from './call.js';

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Grüße, 世界 😀' }];
const chat = { model: MODEL, messages };
const input = 'Grüße, 世界 😀';
const audio = file('speech 你好.wav', 'audio/wav');
const image = file('image.png', 'image/png');

/** What is routed by its `model`, and what is stored of it. */
export const inference: readonly Call[] = [
  call('chat.completions.create', chat),
  also('with everything', 'chat.completions.create', {
    ...chat,
    messages: [
      { role: 'developer', content: 'Be brief.' },
      ...messages,
      { role: 'assistant', content: null },
    ],
    temperature: 0.1,
    stop: ['a'],
    logit_bias: { '50256': -100 },
    metadata: { key: 'value' },
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
  }),
  also('streamed', 'chat.completions.create', { ...chat, stream: true }),
  also('streamed with its usage', 'chat.completions.create', {
    ...chat,
    stream: true,
    stream_options: { include_usage: true },
  }),
  call('chat.completions.stream', { ...chat, stream_options: { include_usage: true } }),
  call('chat.completions.parse', chat),
  call('chat.completions.retrieve', 'chatcmpl-abc'),
  call('chat.completions.update', 'chatcmpl-abc', { metadata: { key: 'value' } }),
  call('chat.completions.list', { model: MODEL, limit: 2, metadata: { key: 'a b&c' } }),
  call('chat.completions.delete', 'chatcmpl-abc'),
  call('chat.completions.messages.list', 'chatcmpl-abc', { limit: 2, order: 'asc' }),

  call('completions.create', { model: MODEL, prompt: input }),
  also('streamed', 'completions.create', { model: MODEL, prompt: input, stream: true }),
  also('streamed with its usage', 'completions.create', {
    model: MODEL,
    prompt: input,
    stream: true,
    stream_options: { include_usage: true },
  }),
  call('embeddings.create', { model: MODEL, input: [input, 'b'], encoding_format: 'float' }),
  call('moderations.create', { model: MODEL, input }),
  also('without a model', 'moderations.create', { input: [{ type: 'text', text: input }] }),

  call('responses.create', { model: MODEL, input }),
  also('streamed', 'responses.create', { model: MODEL, input, stream: true }),
  also('without a model', 'responses.create', { prompt: { id: 'pmpt_abc' }, input }),
  call('responses.stream', { model: MODEL, input }),
  also('of a response that runs', 'responses.stream', { response_id: 'resp_abc', starting_after: 3 }),
  call('responses.parse', { model: MODEL, input }),
  call('responses.retrieve', 'resp_abc', {
    include: ['file_search_call.results', 'reasoning.encrypted_content'],
  }),
  also('streamed', 'responses.retrieve', 'resp_abc', { stream: true, starting_after: 3 }),
  call('responses.delete', 'resp_abc'),
  call('responses.cancel', 'resp_abc'),
  call('responses.compact', { model: MODEL, input }),
  call('responses.inputItems.list', 'resp_abc', { limit: 2, include: ['message.output_text.logprobs'] }),
  call('responses.inputTokens.count', { model: MODEL, input }),
  call('beta.responses.create', { model: MODEL, input, betas: ['responses_multi_agent=v1'] }),
  also('streamed', 'beta.responses.create', { model: MODEL, input, stream: true }),
  call('beta.responses.retrieve', 'resp_abc'),
  also('streamed', 'beta.responses.retrieve', 'resp_abc', { stream: true }),
  call('beta.responses.delete', 'resp_abc'),
  call('beta.responses.cancel', 'resp_abc'),
  call('beta.responses.compact', { model: MODEL, input }),
  call('beta.responses.inputItems.list', 'resp_abc', { limit: 2 }),
  call('beta.responses.inputTokens.count', { model: MODEL, input }),

  call('images.generate', { model: MODEL, prompt: input }),
  also('streamed', 'images.generate', { model: MODEL, prompt: input, stream: true, partial_images: 1 }),
  also('without a model', 'images.generate', { prompt: input }),
  call('images.edit', { model: MODEL, image, prompt: input }),
  also('of several images', 'images.edit', {
    image: [image, image],
    mask: image,
    prompt: input,
    model: MODEL,
  }),
  also('streamed', 'images.edit', { model: MODEL, image, prompt: input, stream: true }),
  also('without a model', 'images.edit', { image, prompt: input }),
  call('images.createVariation', { image, model: MODEL, n: 2 }),
  also('without a model', 'images.createVariation', { image }),

  call('audio.speech.create', { model: MODEL, input, voice: 'alloy' }),
  also('streamed', 'audio.speech.create', { model: MODEL, input, voice: 'alloy', stream_format: 'sse' }),
  call('audio.transcriptions.create', { file: audio, model: MODEL }),
  also('as text', 'audio.transcriptions.create', { model: MODEL, file: audio, response_format: 'text' }),
  also('streamed', 'audio.transcriptions.create', { file: audio, model: MODEL, stream: true }),
  call('audio.translations.create', { file: audio, model: MODEL, prompt: input }),
  also('as text', 'audio.translations.create', { file: audio, model: MODEL, response_format: 'srt' }),

  // The gateway answers these two itself: they name its own routes, aliases and models.
  { ...call('models.list'), own: true },
  { ...call('models.retrieve', `main/${MODEL}`), own: true },
  also('that does not exist', 'models.delete', 'status-404'),
  call('models.delete', 'ft:gpt-4o-mini:org/team:custom-suffix:id'),
];
