// Sends what a run tells to an MLflow server, while it trains or afterwards. Run:
//   node docs/examples/mlflow.js runs/cells-1 http://127.0.0.1:5000
// Only metrics.jsonl and status.json are read, so any other tracker is fed the same way.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [folder = '.', server = 'http://127.0.0.1:5000'] = process.argv.slice(2);
const every = Number(process.env.EVERY ?? 5000); // milliseconds

async function call(what, body) {
  const response = await fetch(`${server}/api/2.0/mlflow/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(`MLflow answered ${response.status} to ${what}: ${await response.text()}`);
  return response.json();
}

/** Numbers of an event by name, nested ones with a slash. */
function numbers(values, prefix) {
  return Object.entries(values).flatMap(([name, value]) => {
    const key = `${prefix}/${name}`.replace(/[^\w\-. /]/g, '_');
    if (typeof value === 'number' && Number.isFinite(value) && value !== -1) return [{ key, value }];
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isGroup ? numbers(value, key) : [];
  });
}

const read = (name) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

/** Kept beside the run, so that a second call goes on where the first one stopped. */
const memory = join(folder, 'mlflow.json');
const state = existsSync(memory)
  ? JSON.parse(readFileSync(memory, 'utf8'))
  : { sent: { step: -1, eval: -1 } };
if (!state.run) {
  const { run } = await call('runs/create', {
    experiment_id: process.env.EXPERIMENT ?? '0',
    start_time: Date.now(),
    run_name: basename(resolve(folder)),
  });
  state.run = run.info.run_id;
}

for (let ended = false; !ended; ) {
  const status = JSON.parse(read('status.json') || '{"state":"running"}');
  ended = status.state !== 'running';
  // The last line may still be written to: it counts once its end is there.
  for (const line of read('metrics.jsonl').split('\n').slice(0, -1)) {
    const { type, step, epoch: _epoch, seconds: _seconds, best: _best, ...values } = JSON.parse(line);
    // A resumed run repeats steps that were sent before.
    if (!(type in state.sent) || step <= state.sent[type]) continue;
    const metrics = numbers(type === 'eval' ? values.eval : values, type === 'eval' ? 'eval' : 'train');
    const timestamp = Date.now();
    await call('runs/log-batch', {
      run_id: state.run,
      metrics: metrics.map((one) => ({ ...one, step, timestamp })),
    });
    state.sent[type] = step;
    writeFileSync(memory, JSON.stringify(state));
  }
  if (!ended) await pause(every);
  else {
    const end = { done: 'FINISHED', interrupted: 'KILLED', failed: 'FAILED' }[status.state];
    await call('runs/update', { run_id: state.run, status: end, end_time: Date.now() });
  }
}
console.log(`${folder}: sent to ${server} as run ${state.run}`);
