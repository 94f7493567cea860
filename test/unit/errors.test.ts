import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeForStatus, errorBody, GatewayError, retryAfterSeconds } from '../../src/errors.js';

test('an error has the status, the type and the end reason of its code', () => {
  const error = new GatewayError('model_not_found', 'No such model.', { param: 'model' });
  assert.equal(error.statusCode, 404);
  assert.equal(error.endReason, 'no_route');
  assert.equal(error.retryAfterMs, null);
  assert.deepEqual(error.body(), {
    error: {
      message: 'No such model.',
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    },
  });
});

test('the details replace what the code says', () => {
  const cause = new Error('why');
  const error = new GatewayError('upstream_timeout', 'Slow.', {
    status: 599,
    endReason: 'idle_timeout',
    retryAfterMs: 1,
    cause,
  });
  assert.deepEqual(
    [error.statusCode, error.endReason, error.retryAfterMs, error.cause],
    [599, 'idle_timeout', 1, cause],
  );
  assert.equal(error.param, null);
});

test('a body has all four fields, also when there is no param', () => {
  const { error } = errorBody('rate_limit_exceeded', 'Slow down.');
  assert.deepEqual(error, {
    message: 'Slow down.',
    type: 'rate_limit_error',
    param: null,
    code: 'rate_limit_exceeded',
  });
});

test('retry-after is rounded up and at least one second', () => {
  const seconds = [0, -5, 1, 999, 1000, 1001, 59_999].map(retryAfterSeconds);
  assert.deepEqual(seconds, ['1', '1', '1', '1', '1', '2', '60']);
});

test('a bare status finds its code', () => {
  const codes: [status: number, code: string][] = [
    [400, 'invalid_request_error'],
    [401, 'invalid_api_key'],
    [403, 'insufficient_permissions'],
    [404, 'not_found'],
    [405, 'invalid_request_error'],
    [413, 'request_too_large'],
    [415, 'unsupported_media_type'],
    [429, 'rate_limit_exceeded'],
    [500, 'internal_error'],
    [503, 'no_available_target'],
  ];
  for (const [status, code] of codes) assert.equal(codeForStatus(status), code, String(status));
});
