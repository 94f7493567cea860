import assert from 'node:assert/strict';

/** Every secret that there is, each with a word of its own. They hold what encoders like to escape. */
export const canary = {
  gatewayKey: 'canary-gateway/key+0123456789==',
  otherKey: 'canary-other-0123456789',
  providerKey: 'sk-canary/provider+config==',
  environmentKey: 'sk-canary-environment-0123456789',
  wrongKey: 'canary-wrong-0123456789',
  cookie: 'canary-cookie-0123456789',
  proxy: 'canary-proxy-0123456789',
  foreign: 'canary-foreign-0123456789',
  query: 'canary-query-0123456789',
};
/** Fails when one of the secrets, as it is or as an encoder would write it, is in the text. */
export function assertClean(
  what: string,
  found: string,
  secrets: readonly string[] = Object.values(canary),
): void {
  for (const secret of secrets) {
    const spellings = [
      secret,
      JSON.stringify(secret).slice(1, -1),
      secret.replaceAll('/', '\\/'),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      Buffer.from(secret).toString('hex'),
    ];
    for (const spelling of spellings) assert.ok(!found.includes(spelling), `${secret} is in ${what}`);
  }
}

/** All that an answer says. */
export async function whole(response: Response): Promise<string> {
  return `${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`;
}
