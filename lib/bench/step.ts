/** Times training steps of one recipe in one process: the product's side of every step benchmark. */
import { createInterface } from 'node:readline';
import { type NativeLoader, type NativeSession, native } from '../native.ts';
import { type Recipe, resolveRecipe } from '../recipe/index.ts';
import { baseLearningRate } from '../trainer/schedule.ts';
import { classCount, openData, openLoader, sessionOptions } from '../trainer/setup.ts';

/** GFL-R18 with stem and layer1 frozen, 80 classes, 320², batch 4: what the peers in bench/peers run too. */
export function standardStepRecipe(): Recipe {
  const { recipe } = resolveRecipe({
    model: { backbone: 'resnet18', classes: 80, norm: 'eval', frozenStages: 1 },
    data: { format: 'synthetic', train: { count: 64 }, size: 320, augment: [] },
    train: { epochs: 1000, batch: 4, lr: 0.0025, lrBatch: 0 },
  });
  return recipe;
}

export interface StepBench {
  run(): Promise<{ seconds: number; waitSeconds: number; outsideSeconds: number }>;
  profile(): Promise<Record<string, number>>;
  close(): void;
}

export async function openStepBench(recipe: Recipe): Promise<StepBench> {
  const { trainSet } = await openData(recipe);
  const session: NativeSession = await native().createSession(
    sessionOptions(recipe, classCount(recipe, trainSet), true),
  );
  if (recipe.model.weights) await session.loadWeights(recipe.model.weights, recipe.model.init);
  const loader: NativeLoader = openLoader(recipe, trainSet, true, session.divisor);
  loader.begin(0, 0);
  const rate = baseLearningRate(recipe.train);
  const learningRates = [...recipe.train.groups.map((group) => group.lr * rate), rate];
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
    close() {
      loader.close();
      session.close();
    },
  };
}

/** Answers each line on stdin with the seconds of one step: how the interleaved harness in bench/ drives it. */
export async function serveSteps(bench: StepBench): Promise<void> {
  process.stdout.write('ready\n');
  for await (const _ of createInterface({ input: process.stdin })) {
    const { seconds } = await bench.run();
    process.stdout.write(`${JSON.stringify({ seconds, peakMB: process.resourceUsage().maxRSS / 1024 })}\n`);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
