import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, savingRecipe, start, temporaryFolder, tinyRecipe, writeRecipe } from './command.ts';
import { Random } from './random.ts';

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const kills = Number(process.env.HDTRAIN_KILLS ?? 10);

/** Kills the run at random moments and resumes it until it ends by itself. */
async function trainWithKills(recipe: string, into: string, extra: string[]): Promise<number> {
  const random = new Random(7);
  let killed = 0;
  while (true) {
    const { child, done } = start(['--config', recipe, '--run', into, '--resume', 'auto', ...extra]);
    // From before the first native call to deep in training or saving; later attempts live longer, so the run gets on.
    if (killed < kills) {
      const timer = sleep(200 + random.next() * (1500 + 100 * killed)).then(() => child.kill('SIGKILL'));
      const end = await done;
      await timer;
      if (end.signal === 'SIGKILL') {
        ++killed;
        continue;
      }
      assert.equal(end.status, 0, end.stderr);
      return killed;
    }
    const end = await done;
    assert.equal(end.status, 0, end.stderr);
    return killed;
  }
}

for (const precision of ['fp32', 'bf16']) {
  test(`a run that is killed again and again ends bit-equal (${precision})`, {
    timeout: 600_000,
  }, async () => {
    const recipe = writeRecipe(folder, savingRecipe, `${precision}.yaml`);
    const extra = ['--set', `train.precision=${precision}`];
    const whole = join(folder, `${precision}-whole`);
    const calm = run(['--config', recipe, '--run', whole, ...extra]);
    assert.equal(calm.status, 0, calm.stderr);
    const broken = join(folder, `${precision}-broken`);
    const killed = await trainWithKills(recipe, broken, extra);
    assert.ok(killed > 0, 'no kill hit the run');
    assert.ok(
      readFileSync(join(whole, 'student.safetensors')).equals(
        readFileSync(join(broken, 'student.safetensors')),
      ),
    );
    const lines = (path: string) =>
      readFileSync(join(path, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const evaluations = (path: string) =>
      lines(path)
        .filter(({ type }) => type === 'eval')
        .map(({ step, eval: { ap } }) => [step, ap]);
    assert.deepEqual(evaluations(broken), evaluations(whole));
    const left = readdirSync(broken, { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      left.filter((name) => name.includes('.tmp-')),
      [],
    );
  });
}

test('the cut into micro-batches does not change a step (fixed statistics)', () => {
  const text = tinyRecipe.replace('norm: train', 'norm: eval').replace('epochs: 3', 'steps: 2');
  const losses = [1, 2, 4].map((accumulate) => {
    const recipe = writeRecipe(folder, text, `cut-${accumulate}.yaml`);
    const into = join(folder, `cut-${accumulate}`);
    const end = run([
      '--config',
      recipe,
      '--run',
      into,
      '--set',
      `train.accumulate=${accumulate}`,
      '--set',
      'train.precision=fp32',
    ]);
    assert.equal(end.status, 0, end.stderr);
    const steps = readFileSync(join(into, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return steps.filter(({ type }) => type === 'step').map(({ losses }) => losses.total as number);
  });
  for (const cut of losses.slice(1)) {
    for (const [i, value] of cut.entries())
      assert.ok(Math.abs(value - (losses[0]?.[i] ?? 0)) < 1e-4 * Math.abs(value), `${losses}`);
  }
});
