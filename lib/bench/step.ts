/** Times training steps of one recipe in one process: the product's side of every step benchmark. */

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { native } from '../native.ts';
import { type Recipe, type RecipeInput, resolveRecipe } from '../recipe/index.ts';
import { openTraining } from '../trainer/open.ts';
import { baseLearningRate, groupRates } from '../trainer/schedule.ts';
import { sessionOptions } from '../trainer/setup.ts';
import { exportMetadata } from '../trainer/start.ts';

/** GFL-R18 with stem and layer1 frozen, 80 classes, 320², batch 4: what the peers in bench/peers run too. */
const standardStep: RecipeInput = {
  model: { backbone: 'resnet18', classes: 80, norm: 'eval', frozenStages: 1 },
  data: { format: 'synthetic', train: { count: 64 }, size: 320, augment: [] },
  train: { epochs: 1000, batch: 4, lr: 0.0025, lrBatch: 0 },
};

/** @param set overrides, as of --set. @throws RecipeError */
export function standardStepRecipe(set: readonly string[] = []): Recipe {
  return resolveRecipe(standardStep, { set }).recipe;
}

/** Transfers of the published recipe that need no features: what the peers compute with 'distill' too. */
const distill: RecipeInput['distill'] = [
  { transfer: 'localization' },
  { transfer: 'localization', region: 'valuable' },
  { transfer: 'classification' },
];

/** The standard step under a GFL-R50 teacher with random weights, written to `folder`. */
export async function distilledStepRecipe(folder: string, set: readonly string[] = []): Promise<Recipe> {
  const weights = join(folder, 'teacher.safetensors');
  const { recipe: teacher } = resolveRecipe({
    ...standardStep,
    model: { backbone: 'resnet50', classes: 80 },
  });
  const session = await native().createSession(sessionOptions(teacher, 80, false));
  try {
    const classes = Array.from({ length: 80 }, (_, i) => `class ${i}`);
    await session.exportWeights(weights, exportMetadata(teacher, classes));
  } finally {
    session.close();
  }
  // A number: the pictures have names for four of the classes, the teacher has others.
  const teachers = [{ weights, classes: 80 }];
  return resolveRecipe({ ...standardStep, teachers, distill }, { set }).recipe;
}

export interface StepBench {
  run(): Promise<{ seconds: number; waitSeconds: number; outsideSeconds: number }>;
  profile(): Promise<Record<string, number>>;
  close(): void;
}

export async function openStepBench(recipe: Recipe): Promise<StepBench> {
  const { session, loader, close } = await openTraining(recipe);
  loader.begin(0, 0);
  const rate = baseLearningRate(recipe.train);
  const learningRates = groupRates(recipe.train.groups, rate);
  let step = 0;
  return {
    async run() {
      const start = performance.now();
      const output = await session.step(loader, {
        step: step++,
        learningRates,
        emaDecay: 0,
        lossWeights: {},
        clipNorm: recipe.train.clip,
        readLosses: false,
      });
      const wall = (performance.now() - start) / 1000;
      return { seconds: wall, waitSeconds: output.waitSeconds, outsideSeconds: wall - output.seconds };
    },
    profile: () => session.profile(),
    close,
  };
}

/** Answers each line on stdin with what one turn says: how the interleaved harness in bench/ drives a benchmark. */
export async function serveTurns(turn: () => Promise<object>): Promise<void> {
  process.stdout.write('ready\n');
  for await (const _ of createInterface({ input: process.stdin })) {
    const result = await turn();
    process.stdout.write(`${JSON.stringify({ ...result, peakMB: process.resourceUsage().maxRSS / 1024 })}\n`);
  }
}

export async function serveSteps(bench: StepBench): Promise<void> {
  let before = (await bench.profile()).teacher ?? 0;
  await serveTurns(async () => {
    const { seconds } = await bench.run();
    const after = (await bench.profile()).teacher ?? 0;
    const teacher = after - before;
    before = after;
    return { seconds, teacher };
  });
}
