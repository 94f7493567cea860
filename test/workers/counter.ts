// Counts a shared number up in a process of its own, and holds as much as it has counted.
import { openSharing } from '../../src/workers/store.js';

const [folder = '', id = '0', times = '0'] = process.argv.slice(2);
const sharing = openSharing(folder, 'limits', Number(id), (error) => {
  throw error;
});
let [count, own] = [0, 0];
const shared = sharing.join('sum', {
  save: () => ({ count }),
  load(state: { count: number }) {
    count = state.count;
  },
  held: () => [own],
});
for (let time = 0; time < Number(times); time += 1) {
  const before = count;
  shared.update(() => {
    if (count < before) throw new Error(`${before} was forgotten: ${count}`);
    count += 1;
    own += 1;
  });
  if (time === 0 && Number(times) > 100_000) process.stdout.write('begun\n');
}
process.stdout.write(`${JSON.stringify({ own, isIntact: sharing.isIntact })}\n`);
