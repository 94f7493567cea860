import { also, type Call, call, MODEL } from './call.js';

const page = { limit: 2 };
const metadata = { key: 'value' };
const assistant = { assistant_id: 'asst_abc' };
const thread = { thread_id: 'thread_abc' };
const outputs = { ...thread, tool_outputs: [{ tool_call_id: 'call_1', output: '{"a":1.0}' }] };

/** Assistants, ChatKit and realtime: endpoints in beta, or for another kind of connection. */
export const assistants: readonly Call[] = [
  call('beta.assistants.create', { model: MODEL, name: 'Anna', instructions: 'Grüße' }),
  call('beta.assistants.retrieve', 'asst_abc'),
  call('beta.assistants.update', 'asst_abc', { name: 'Berta', metadata }),
  call('beta.assistants.list', page),
  call('beta.assistants.delete', 'asst_abc'),
  call('beta.threads.create', { messages: [{ role: 'user', content: 'Grüße' }] }),
  call('beta.threads.retrieve', 'thread_abc'),
  call('beta.threads.update', 'thread_abc', { metadata }),
  call('beta.threads.delete', 'thread_abc'),
  call('beta.threads.createAndRun', assistant),
  also('streamed', 'beta.threads.createAndRun', { ...assistant, stream: true }),
  call('beta.threads.createAndRunStream', assistant),
  call('beta.threads.runs.create', 'thread_abc', {
    ...assistant,
    include: ['step_details.tool_calls[*].file_search.results[*].content'],
  }),
  also('streamed', 'beta.threads.runs.create', 'thread_abc', { ...assistant, stream: true }),
  call('beta.threads.runs.createAndStream', 'thread_abc', assistant),
  call('beta.threads.runs.stream', 'thread_abc', assistant),
  call('beta.threads.runs.retrieve', 'run_abc', thread),
  call('beta.threads.runs.update', 'run_abc', { ...thread, metadata }),
  call('beta.threads.runs.list', 'thread_abc', page),
  call('beta.threads.runs.cancel', 'run_abc', thread),
  call('beta.threads.runs.submitToolOutputs', 'run_abc', outputs),
  also('streamed', 'beta.threads.runs.submitToolOutputs', 'run_abc', { ...outputs, stream: true }),
  call('beta.threads.runs.submitToolOutputsStream', 'run_abc', outputs),
  call('beta.threads.runs.steps.retrieve', 'step_abc', { ...thread, run_id: 'run_abc' }),
  call('beta.threads.runs.steps.list', 'run_abc', { ...thread, ...page }),
  call('beta.threads.messages.create', 'thread_abc', { role: 'user', content: 'Grüße' }),
  call('beta.threads.messages.retrieve', 'msg_abc', thread),
  call('beta.threads.messages.update', 'msg_abc', { ...thread, metadata }),
  call('beta.threads.messages.list', 'thread_abc', { ...page, run_id: 'run_abc' }),
  call('beta.threads.messages.delete', 'msg_abc', thread),

  call('beta.chatkit.sessions.create', { user: 'user-1', workflow: { id: 'wf_1' } }),
  call('beta.chatkit.sessions.cancel', 'cksess_1'),
  call('beta.chatkit.threads.retrieve', 'cthr_1'),
  call('beta.chatkit.threads.list', { ...page, user: 'user-1' }),
  call('beta.chatkit.threads.delete', 'cthr_1'),
  call('beta.chatkit.threads.listItems', 'cthr_1', page),

  call('beta.realtime.sessions.create', { model: 'gpt-4o-realtime-preview', voice: 'alloy' }),
  call('beta.realtime.transcriptionSessions.create', { input_audio_format: 'pcm16' }),
  call('realtime.clientSecrets.create', { session: { type: 'realtime', model: 'gpt-realtime' } }),
  call('realtime.calls.accept', 'rtc_1', { type: 'realtime', instructions: 'Grüße' }),
  call('realtime.calls.hangup', 'rtc_1'),
  call('realtime.calls.refer', 'rtc_1', { target_uri: 'tel:+49' }),
  call('realtime.calls.reject', 'rtc_1', { status_code: 486 }),
];
