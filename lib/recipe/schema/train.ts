import { z } from 'zod';
import { autoCount, fraction, namePattern, timeUnit } from './fields.ts';

const optimizer = z
  .strictObject({
    kind: z.enum(['sgd', 'adamw']).default('sgd').describe('Update rule.'),
    momentum: z.number().min(0).lt(1).default(0.9).describe('sgd: share of the last update that is kept.'),
    nesterov: z.boolean().default(false).describe('sgd: Nesterov momentum.'),
    betas: z
      .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
      .default([0.9, 0.999])
      .describe('adamw: decay of the running mean of the gradient, and of its square.'),
    eps: z.number().positive().max(1).default(1e-8).describe('adamw: added to the root of the squares.'),
    weightDecay: z.number().min(0).max(10).default(1e-4).describe('Pull of every weight towards zero.'),
    noDecay: z
      .array(z.enum(['norm', 'bias']))
      .default(['norm', 'bias'])
      .describe('Kinds of parameters without weight decay; released recipes: none.'),
  })
  .prefault({})
  .describe('How gradients become updates.');

const group = z.strictObject({
  match: namePattern().describe('Parameter names; `*` stands for any characters.'),
  lr: z.number().min(0).max(1000).default(1).describe('Factor on the learning rate.'),
  decay: z.number().min(0).max(1000).default(1).describe('Factor on the weight decay.'),
});

const schedule = z
  .strictObject({
    kind: z
      .enum(['constant', 'steps', 'cosine', 'poly'])
      .default('cosine')
      .describe('Course of the learning rate after warm-up.'),
    at: z
      .array(z.number().positive())
      .max(1000)
      .default([])
      .describe('steps: when the rate drops, ascending, in `unit`.'),
    unit: timeUnit().default('epochs').describe('steps: unit of `at`; `run` means shares of the run, 0–1.'),
    gamma: z.number().positive().max(1).default(0.1).describe('steps: factor at each drop.'),
    power: z.number().positive().max(10).default(0.9).describe('poly: exponent.'),
    floor: fraction()
      .default(0)
      .describe('cosine, poly: rate at the end, as a share of the rate at the start.'),
  })
  .prefault({})
  .describe('Course of the learning rate.');

const warmup = z
  .strictObject({
    kind: z
      .enum(['linear', 'constant', 'exp'])
      .default('linear')
      .describe(
        'How the rate goes from `ratio` to full: in a straight line, in one jump at the end, or by equal factors.',
      ),
    length: z.number().min(0).default(0.05).describe('How long it takes, in `unit`; 0 is no warm-up.'),
    unit: timeUnit().default('run').describe('Unit of `length`; `run` means a share of the run, 0–1.'),
    ratio: z.number().positive().max(1).default(0.001).describe('First rate, as a share of the full one.'),
  })
  .prefault({})
  .describe('The start of training, with a smaller learning rate.');

const ema = z
  .strictObject({
    decay: z.number().min(0).lt(1).default(0.9998).describe('Share of the average that a step keeps.'),
    warmup: z
      .number()
      .min(0)
      .default(2000)
      .describe('Steps over which the decay rises: decay × (1 − exp(−(step + 1) / warmup)); 0 is at once.'),
  })
  .nullable()
  .default(null)
  .describe(
    'Moving average of the weights; evaluation and the final weights use it. `null` is off, `{}` the defaults.',
  );

const swa = z
  .strictObject({
    from: z
      .number()
      .min(0)
      .lt(1)
      .default(0.75)
      .describe('Share of the run after which averaging begins; until then evaluation sees the weights.'),
    every: z
      .number()
      .positive()
      .default(1)
      .describe('Time between weights that enter the average, in `unit`; the last weights always do.'),
    unit: timeUnit().default('epochs').describe('Unit of `every`; `run` means a share of the run, 0–1.'),
    lr: z
      .number()
      .positive()
      .max(1)
      .nullable()
      .default(null)
      .describe(
        'Learning rate while averaging, as a share of the full one; `null` holds what the schedule has reached.',
      ),
  })
  .nullable()
  .default(null)
  .describe(
    'Stochastic weight averaging: the mean of weights along the end of the run, at a held learning rate; evaluation and the final weights use it. In place of `ema`. `null` is off, `{}` the defaults.',
  );

const earlyStop = z
  .strictObject({
    patience: z
      .int()
      .min(1)
      .max(10_000)
      .default(10)
      .describe('Evaluations in a row without progress that end the run.'),
    minDelta: fraction().default(0).describe('Gain of `eval.best` that counts as progress.'),
  })
  .nullable()
  .default(null)
  .describe(
    'Ends the run when evaluations bring no progress; the final weights are then the best ones. `null` is off, `{}` the defaults.',
  );

export const trainSchema = z
  .strictObject({
    epochs: z
      .int()
      .min(1)
      .max(1_000_000)
      .nullable()
      .default(null)
      .describe('Passes over the training pictures; 12 when `steps` is not given either.'),
    steps: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .nullable()
      .default(null)
      .describe('Optimiser steps, in place of `epochs`.'),
    batch: z.int().min(1).max(65536).default(16).describe('Pictures in an optimiser step.'),
    accumulate: z
      .int()
      .min(1)
      .max(65536)
      .default(1)
      .describe('Micro-batches that an optimiser step is cut into; saves memory, must divide `batch`.'),
    lr: z
      .number()
      .positive()
      .max(100)
      .default(0.01)
      .describe('Learning rate for a batch of `lrBatch` pictures.'),
    lrBatch: z
      .int()
      .min(0)
      .max(65536)
      .default(16)
      .describe('Batch that `lr` is meant for; the rate is scaled by batch / lrBatch. 0 leaves it as it is.'),
    optimizer,
    groups: z
      .array(group)
      .max(64)
      .default([])
      .describe(
        'Parameters with a rate or decay of their own; the first group that matches takes a parameter, and one that matches none is refused.',
      ),
    schedule,
    warmup,
    clip: z
      .number()
      .min(0)
      .default(35)
      .describe('Largest norm of the whole gradient; longer ones are scaled down. 0 is off.'),
    ema,
    swa,
    freeze: z
      .array(namePattern())
      .max(256)
      .default([])
      .describe(
        'Parameters that do not learn; `*` stands for any characters. A pattern that matches none is refused.',
      ),
    lossWeights: z
      .record(z.string().regex(/^[A-Za-z]\w*$/), z.number().min(0))
      .default({})
      .describe(
        'Factors on loss terms by name (GFL: `cls`, `box`, `dfl`; ATSS and FCOS: `cls`, `box`, `centerness`; RetinaNet: `cls`, `box`; transfers by their name); others keep the factor of the detector or transfer.',
      ),
    earlyStop,
    onDiverged: z
      .enum(['stop', 'skip', 'rollback'])
      .default('stop')
      .describe(
        'What a loss or gradient that is not finite does: `stop` ends the run, `skip` leaves the step out, `rollback` also goes back to the weights of the latest checkpoint. Whatever it is, the batch is kept for `hdtrain probe` when the run ends.',
      ),
    maxDiverged: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(20)
      .describe('Steps in a row that may be left out before the run stops.'),
    precision: z
      .enum(['auto', 'fp32', 'bf16'])
      .default('auto')
      .describe(
        'Arithmetic: `auto` is bf16 where the processor multiplies it at twice the rate (AMX, or AVX512-BF16 of AMD), else fp32.',
      ),
    seed: z
      .int()
      .min(0)
      .max(0xffffffff)
      .default(0)
      .describe('Seed of initialisation, order and augmentation.'),
    threads: autoCount(1024)
      .default('auto')
      .describe('Threads that compute; `auto` is one a processor core.'),
  })
  .prefault({})
  .describe('How the network learns.');

export type TrainSection = z.output<typeof trainSchema>;
