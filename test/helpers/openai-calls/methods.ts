import OpenAI from 'openai';

/** The methods of the client's resources that are not called, and why. */
export const leftOut: Readonly<Record<string, string>> = {
  'webhooks.unwrap': 'checks a signature locally',
  'webhooks.verifySignature': 'checks a signature locally',
  'chat.completions.runTools': 'a loop of chat.completions.create and the functions of the caller',
  'files.waitForProcessing': 'repeats files.retrieve',
  'vectorStores.files.poll': 'repeats vectorStores.files.retrieve',
  'vectorStores.files.createAndPoll': 'vectorStores.files.create, then its poll',
  'vectorStores.files.upload': 'files.create, then vectorStores.files.create',
  'vectorStores.files.uploadAndPoll': 'vectorStores.files.upload, then its poll',
  'vectorStores.fileBatches.poll': 'repeats vectorStores.fileBatches.retrieve',
  'vectorStores.fileBatches.createAndPoll': 'vectorStores.fileBatches.create, then its poll',
  'vectorStores.fileBatches.uploadAndPoll':
    'files.create for each, then vectorStores.fileBatches.createAndPoll',
  'beta.threads.createAndRunPoll': 'beta.threads.createAndRun, then beta.threads.runs.poll',
  'beta.threads.runs.poll': 'repeats beta.threads.runs.retrieve',
  'beta.threads.runs.createAndPoll': 'beta.threads.runs.create, then its poll',
  'beta.threads.runs.submitToolOutputsAndPoll':
    'beta.threads.runs.submitToolOutputs, then beta.threads.runs.poll',
};

/** Every method of every resource of the installed client, named by its path from the client. */
export function clientMethods(): string[] {
  const found: string[] = [];
  visit(new OpenAI({ apiKey: 'key', adminAPIKey: 'key' }), '', found);
  return found;
}

function visit(owner: object, path: string, found: string[]): void {
  for (const [name, child] of Object.entries(owner)) {
    if (!isResource(child)) continue;
    const below = `${path}${name}.`;
    found.push(...methodsOf(child).map((method) => below + method));
    visit(child, below, found);
  }
}

/** Resources hold their client. A resource that the client of one does not hold itself is reached through it. */
function isResource(value: unknown): value is object {
  return typeof value === 'object' && value !== null && '_client' in value;
}

function methodsOf(resource: object): string[] {
  const names: string[] = [];
  for (
    let type = Object.getPrototypeOf(resource);
    type !== Object.prototype;
    type = Object.getPrototypeOf(type)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
      if (name !== 'constructor' && typeof value === 'function') names.push(name);
    }
  }
  return names;
}
