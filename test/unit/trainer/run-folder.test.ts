import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { checkpointName, RunFolder, readCheckpoint } from '../../../lib/trainer/run-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'hdtrain-folder-'));
after(() => rmSync(root, { recursive: true, force: true }));

function stateOf(step: number): string {
  return JSON.stringify({ format: 2, step, epoch: 0, classes: [], environment: {}, digests: {}, hooks: {} });
}

function save(folder: RunFolder, step: number, options: { best: boolean; keep: number }): string {
  const draft = folder.draftCheckpoint();
  writeFileSync(join(draft, 'state.json'), stateOf(step));
  return folder.commit(draft, checkpointName(step), options);
}

describe('RunFolder', () => {
  test('what a killed process left behind goes when the folder is opened, and nothing else', () => {
    const folder = new RunFolder(join(root, 'leftovers'));
    mkdirSync(folder.file('checkpoints', '.tmp-12'), { recursive: true });
    const kept = ['student.safetensors', 'notes.tmp', 'my.tmp-file'];
    for (const name of [...kept, 'student.safetensors.tmp-12']) writeFileSync(folder.file(name), 'x');
    writeFileSync(folder.file('checkpoints', 'latest.tmp-12'), 'x');
    folder.open();
    assert.deepEqual(readdirSync(folder.path).sort(), [...kept, 'checkpoints', 'lock'].sort());
    assert.deepEqual(readdirSync(folder.file('checkpoints')), []);
    folder.close();
  });

  describe('abandon: a start that was refused', () => {
    const abandoned = (path: string, between?: (folder: RunFolder) => void) => {
      const folder = new RunFolder(path);
      folder.open();
      between?.(folder);
      folder.abandon();
      return folder;
    };
    const fresh = () => mkdtempSync(join(root, 'abandoned-'));

    test('takes away every folder that it made, and no other', () => {
      const there = fresh();
      const folder = abandoned(join(there, 'runs', 'a-1'));
      assert.equal(folder.used, false);
      assert.deepEqual(readdirSync(there), []);
    });
    test('an empty folder that was there stays, empty', () => {
      const there = fresh();
      abandoned(there);
      assert.deepEqual(readdirSync(there), []);
    });
    test('what a run before it wrote stays, its lock file too', () => {
      const there = fresh();
      const before = new RunFolder(there);
      before.open();
      before.close();
      save(before, 3, { best: false, keep: 1 });
      abandoned(there);
      assert.deepEqual(readdirSync(there).sort(), ['checkpoints', 'lock']);
      assert.equal(before.latest()?.state.step, 3);
    });
    test('what somebody put there meanwhile stays, and so does its folder', () => {
      const there = fresh();
      abandoned(join(there, 'run'), (folder) => writeFileSync(folder.file('notes.txt'), 'mine'));
      assert.deepEqual(readdirSync(join(there, 'run')), ['notes.txt']);
      abandoned(join(there, 'run'), (folder) => writeFileSync(folder.file('checkpoints', 'x'), ''));
      assert.deepEqual(readdirSync(join(there, 'run')).sort(), ['checkpoints', 'notes.txt']);
    });
    test('the folder is free again', () => {
      const folder = abandoned(join(fresh(), 'run'));
      const next = new RunFolder(folder.path);
      next.open();
      next.close();
      assert.ok(existsSync(next.file('checkpoints')));
    });
  });

  test('one holder at a time; a closed folder is free again', () => {
    const first = new RunFolder(join(root, 'locked'));
    assert.equal(first.used, false);
    first.open();
    const second = new RunFolder(first.path);
    assert.throws(() => second.open(), { code: 'HD_RUN_LOCKED' });
    first.close();
    second.open();
    second.close();
  });

  test('a recipe that is replaced stays beside the new one, once and in order', () => {
    const folder = new RunFolder(mkdtempSync(join(root, 'recipes-')));
    const recipes = () =>
      Object.fromEntries(
        readdirSync(folder.path)
          .sort()
          .map((name) => [name, readFileSync(folder.file(name), 'utf8')]),
      );
    assert.equal(folder.writeRecipe('a'), null);
    assert.equal(folder.writeRecipe('a'), null);
    assert.deepEqual(recipes(), { 'recipe.yaml': 'a' });
    assert.equal(folder.writeRecipe('b'), 'recipe-0001.yaml');
    assert.equal(folder.writeRecipe('b'), null);
    assert.equal(folder.writeRecipe('a'), 'recipe-0002.yaml');
    assert.deepEqual(recipes(), { 'recipe-0001.yaml': 'a', 'recipe-0002.yaml': 'b', 'recipe.yaml': 'a' });
    // Killed after the former was kept, before the new one was written.
    writeFileSync(folder.file('recipe.yaml'), 'b');
    assert.equal(folder.writeRecipe('c'), 'recipe-0002.yaml');
    writeFileSync(folder.file('recipe-0010.yaml'), 'of old');
    writeFileSync(folder.file('recipe-mine.yaml'), 'of the user');
    assert.equal(folder.writeRecipe('d'), 'recipe-0011.yaml');
    assert.equal(recipes()['recipe-0011.yaml'], 'c');
    assert.equal(folder.firstRecipe(), folder.file('recipe-0001.yaml'));
  });

  test('the newest checkpoints and the best stay', () => {
    const folder = new RunFolder(join(root, 'kept'));
    folder.open();
    assert.equal(folder.latest(), null);
    for (let step = 1; step <= 12; ++step) save(folder, step, { best: step === 3, keep: 2 });
    const left = readdirSync(folder.file('checkpoints')).filter((name) => name.startsWith('step-'));
    assert.deepEqual(left.sort(), [3, 11, 12].map(checkpointName));
    assert.equal(folder.bestName(), checkpointName(3));
    assert.equal(folder.latest()?.state.step, 12);
    assert.equal(folder.used, true);
    folder.close();
  });

  test('saving a step again replaces it', () => {
    const folder = new RunFolder(join(root, 'again'));
    folder.open();
    const path = save(folder, 5, { best: false, keep: 1 });
    writeFileSync(join(path, 'extra'), 'old');
    save(folder, 5, { best: false, keep: 1 });
    assert.equal(existsSync(join(path, 'extra')), false);
    assert.equal(readFileSync(folder.file('checkpoints', 'latest'), 'utf8'), `${checkpointName(5)}\n`);
    folder.close();
  });

  test('after going back, what lies above is given up: nothing points to it, the next save drops it', () => {
    const folder = new RunFolder(join(root, 'back'));
    folder.open();
    for (const step of [5, 20, 30]) save(folder, step, { best: step === 20, keep: 3 });
    folder.goOnFrom(readCheckpoint(folder.file('checkpoints', checkpointName(5))));
    assert.equal(folder.latest()?.state.step, 5);
    assert.equal(folder.best(), null);
    assert.ok(existsSync(folder.file('checkpoints', checkpointName(30))));
    save(folder, 10, { best: true, keep: 2 });
    assert.equal(folder.latest()?.state.step, 10);
    assert.deepEqual(readdirSync(folder.file('checkpoints')).sort(), [
      'best',
      'latest',
      ...[5, 10].map(checkpointName),
    ]);
    // A best from before stays the best.
    folder.goOnFrom(readCheckpoint(folder.file('checkpoints', checkpointName(10))));
    assert.equal(folder.best()?.state.step, 10);
    folder.close();
  });

  test('a checkpoint that is being replaced is there at every moment', () => {
    const folder = new RunFolder(join(root, 'replaced'));
    folder.open();
    const path = save(folder, 5, { best: false, keep: 1 });
    renameSync(path, folder.file('checkpoints', `.old-${checkpointName(5)}`)); // killed between the two renames
    folder.close();
    folder.open();
    assert.equal(folder.latest()?.state.step, 5);
    mkdirSync(folder.file('checkpoints', `.old-${checkpointName(5)}`)); // killed after them
    folder.close();
    folder.open();
    assert.deepEqual(readdirSync(folder.file('checkpoints')).sort(), ['latest', checkpointName(5)]);
    folder.close();
  });

  for (const [what, text] of [
    ['cut off', stateOf(1).slice(0, 20)],
    ['of another format', stateOf(1).replace('"format":2', '"format":1')],
    ['without a step', stateOf(1).replace('"step":1', '"step":"one"')],
    ['missing', null],
  ] as const) {
    test(`a state that is ${what} is refused with its file`, () => {
      const path = mkdtempSync(join(root, 'state-'));
      if (text !== null) writeFileSync(join(path, 'state.json'), text);
      assert.throws(() => readCheckpoint(path), { code: 'HD_CKPT_CORRUPT', where: join(path, 'state.json') });
    });
  }

  test('a folder that cannot be made is named, with the cure', () => {
    writeFileSync(join(root, 'file'), '');
    const folder = new RunFolder(join(root, 'file', 'run'));
    assert.throws(() => folder.open(), { code: 'HD_RUN_FOLDER', message: /--run/ });
  });
});
