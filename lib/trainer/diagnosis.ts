/** What an evaluation leaves in the run folder besides its numbers: diagnosis.json, and pictures to look at. */
import { readdirSync, rmSync } from 'node:fs';
import { type Diagnosis, type NativeDataset, type NativeEvaluator, native } from '../native.ts';
import { drawPictures } from './pictures.ts';
import { checkpointName, type RunFolder } from './run-folder.ts';

/** Evaluations whose pictures stay, besides the first. */
const keptPictures = 3;

/** diagnosis.json. */
export interface RunDiagnosis extends Diagnosis {
  step: number;
  classes: string[];
}

export async function writeDiagnosis(
  folder: RunFolder,
  evaluator: NativeEvaluator,
  classes: readonly string[],
  step: number,
): Promise<void> {
  const diagnosis: RunDiagnosis = { step, classes: [...classes], ...(await evaluator.diagnose({})) };
  native().writeFile(folder.file('diagnosis.json'), `${JSON.stringify(diagnosis)}\n`);
}

/**
 * Draws `count` pictures, the same ones each time, into pictures/step-N and drops all but the first and the newest such
 * folders, and those of steps that a run which went back has yet to do.
 * @returns the paths.
 */
export async function drawStep(
  folder: RunFolder,
  dataset: NativeDataset,
  evaluator: NativeEvaluator,
  step: number,
  count: number,
): Promise<string[]> {
  if (count === 0) return [];
  const name = checkpointName(step);
  const drop = (old: string) => rmSync(folder.file('pictures', old), { recursive: true, force: true });
  drop(name);
  const written = await drawPictures(dataset, evaluator, folder.file('pictures', name), count);
  const steps = readdirSync(folder.file('pictures'))
    .filter((entry) => /^step-\d+$/.test(entry))
    .sort();
  const past = steps.filter((entry) => entry <= name);
  const kept = new Set([...past.slice(0, 1), ...past.slice(-keptPictures)]);
  for (const old of steps) if (!kept.has(old)) drop(old);
  return written;
}
