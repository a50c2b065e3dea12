/** Times the plan that a frozen teacher becomes: the whole network, and cut at its backbone. */
import { native } from '../native.ts';
import { distillOptions } from '../trainer/teachers.ts';
import { distilledStepRecipe } from './step.ts';

export const planParts = ['whole', 'backbone'] as const;
export type PlanPart = (typeof planParts)[number];

export interface PlanTimes {
  part: PlanPart;
  precision: 'fp32' | 'bf16';
  /** Milliseconds of each pass. */
  samples: number[];
  /** Their median. */
  milliseconds: number;
}

/** GFL-R50 with random weights, 80 classes, 320², batch 4, as the teacher of `bench step --distill`; `folder` takes its file. */
export async function openPlanBench(
  folder: string,
): Promise<(part: PlanPart, repeats: number) => Promise<PlanTimes>> {
  const recipe = await distilledStepRecipe(folder);
  const classes = Array.from({ length: 80 }, (_, i) => `class ${i}`);
  const teacher = (await distillOptions(recipe, classes))?.teachers[0];
  return async (part, repeats) =>
    (await native().benchTeacher({ ...teacher, part, repeats })) as unknown as PlanTimes;
}
