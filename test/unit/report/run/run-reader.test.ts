import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseDiagnosis } from '../../../../lib/report/run/diagnosis.ts';
import { isRunFolder, RunReader } from '../../../../lib/report/run/run-reader.ts';
import { parseStatus } from '../../../../lib/report/run/status.ts';
import { temporaryFolder } from '../../../faults/command.ts';
import { diagnosisOf, statusOf, stepLine, writeRun } from '../run-folder.ts';

const root = temporaryFolder();
after(() => rmSync(root, { recursive: true, force: true }));

function readerOf(name: string, ...files: Parameters<typeof writeRun>[1][]): RunReader {
  const reader = new RunReader(writeRun(join(root, name), ...files));
  reader.refresh();
  return reader;
}

describe('a run folder', () => {
  test('all that lies there is read', () => {
    const run = readerOf('all');
    assert.equal(run.name, 'all');
    assert.equal(run.history.lastStep?.step, 300);
    assert.equal(run.status?.totalSteps, 1200);
    assert.equal(run.diagnosis?.classes.length, 2);
    assert.equal(run.recipe, 'train:\n  lr: 0.02\n');
    assert.deepEqual(
      run.pictures.map(({ step }) => step),
      [100, 200],
    );
    assert.deepEqual(run.pictures[0]?.files, ['pictures/step-100/000-a.png', 'pictures/step-100/001-b.png']);
  });
  test('pictures come by the number of the step; other files are none', () => {
    const run = readerOf('pictures', { pictures: [1000, 20, 3] });
    writeFileSync(join(run.path, 'pictures', '000-loose.jpg'), '');
    writeFileSync(join(run.path, 'pictures', 'step-20', '009-z.JPG'), '');
    writeFileSync(join(run.path, 'pictures', 'step-20', 'notes.txt'), '');
    mkdirSync(join(run.path, 'pictures', 'step-x'));
    assert.equal(run.refresh(), true);
    assert.deepEqual(
      run.pictures.map(({ step }) => step),
      [3, 20, 1000],
    );
    assert.equal(run.pictures[1]?.files.at(-1), 'pictures/step-20/009-z.JPG');
  });
  test('a file that cannot be read is told; what was read stays, and comes again with the file', () => {
    const run = readerOf('unreadable');
    const path = join(run.path, 'status.json');
    rmSync(path);
    mkdirSync(path);
    assert.equal(run.refresh(), true);
    assert.match(run.trouble, /EISDIR/);
    assert.equal(run.refresh(), false);
    assert.equal(run.status?.totalSteps, 1200);
    rmSync(path, { recursive: true });
    writeFileSync(path, JSON.stringify({ ...statusOf(), totalSteps: 1300 }));
    assert.equal(run.refresh(), true);
    assert.equal(run.trouble, '');
    assert.equal(run.status?.totalSteps, 1300);
  });
  test('refresh tells whether there is anything new', () => {
    const run = readerOf('fresh');
    assert.equal(run.refresh(), false);
    appendFileSync(join(run.path, 'metrics.jsonl'), `${stepLine(310, 1)}\n`);
    assert.equal(run.refresh(), true);
    assert.equal(run.history.lastStep?.step, 310);
    writeFileSync(join(run.path, 'status.json'), JSON.stringify(statusOf({ state: 'done' })));
    assert.equal(run.refresh(), true);
    assert.equal(run.status?.state, 'done');
    assert.equal(run.refresh(), false);
  });
  test('a resumed run, whose file was cut, has no step twice', () => {
    const run = readerOf('cut');
    writeFileSync(join(run.path, 'metrics.jsonl'), `${stepLine(10, 1)}\n${stepLine(20, 9)}\n`);
    run.refresh();
    assert.deepEqual(run.history.curves.get('loss total')?.points(9), [
      [10, 1],
      [20, 9],
    ]);
  });
  test('an empty folder is a run of which nothing is known', () => {
    mkdirSync(join(root, 'empty'));
    const run = new RunReader(join(root, 'empty'));
    assert.equal(run.refresh(), true);
    assert.deepEqual([run.status, run.diagnosis, run.recipe, run.pictures], [null, null, '', []]);
  });
  test('it is known by what a run writes first', () => {
    mkdirSync(join(root, 'bare', 'checkpoints'), { recursive: true });
    assert.equal(isRunFolder(join(root, 'bare')), true);
    assert.equal(isRunFolder(root), false);
  });
});

describe('files of other makers', () => {
  test('a diagnosis must be one', () => {
    const good = diagnosisOf();
    assert.deepEqual(parseDiagnosis(JSON.stringify(good)), good);
    const { errors: _errors, ...without } = good;
    const ragged = { ...good, confusion: [[1, 2, 3], [1], [1, 2, 3]] };
    const small = { ...good, confusion: [[1]] };
    const { mean: _mean, ...old } = good; // before F1
    for (const bad of [without, ragged, small, old, null, 7])
      assert.equal(parseDiagnosis(JSON.stringify(bad)), null);
    assert.equal(parseDiagnosis('{'), null);
  });
  test('a diagnosis may say more than is known here', () => {
    assert.deepEqual(parseDiagnosis(JSON.stringify({ ...diagnosisOf(), later: 1 })), diagnosisOf());
  });
  test('so must a status', () => {
    assert.deepEqual(parseStatus(JSON.stringify(statusOf())), statusOf());
    for (const bad of [{ ...statusOf(), state: 'asleep' }, { ...statusOf(), format: 2 }, []])
      assert.equal(parseStatus(JSON.stringify(bad)), null);
    assert.equal(parseStatus(''), null);
  });
});
