import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presets, providerTypes } from '../../src/upstream/presets.js';

test('there is one preset for each provider type', () => {
  assert.deepEqual(Object.keys(presets).sort(), [...providerTypes].sort());
});

test('base URLs are complete and end without a slash', () => {
  const urls = Object.fromEntries(providerTypes.map((type) => [type, presets[type].baseUrl]));
  assert.deepEqual(urls, {
    openai: 'https://api.openai.com/v1',
    openrouter: 'https://openrouter.ai/api/v1',
    groq: 'https://api.groq.com/openai/v1',
    cerebras: 'https://api.cerebras.ai/v1',
    google: 'https://generativelanguage.googleapis.com/v1beta/openai',
    'lm-studio': 'http://127.0.0.1:1234/v1',
    ollama: 'http://127.0.0.1:11434/v1',
    'openai-compatible': null,
    echo: null,
  });
});

test('whoever needs a key says where it is looked up', () => {
  for (const type of providerTypes) {
    const { needsKey, environment, streamUsage } = presets[type];
    assert.equal(needsKey, environment.length > 0, type);
    assert.equal(streamUsage, true);
  }
});
