import { z } from 'zod';

/** Where a fault can happen, in the order in which a run comes by. A new point is one more name and one call of `at`. */
export const faultPoints = [
  'decode',
  'step',
  'evaluate',
  'save.begin',
  'save.before_rename',
  'save.after_rename',
  'save.end',
  'export',
] as const;

const fault = z.strictObject({
  point: z
    .enum(faultPoints)
    .describe(
      'Where it happens; `step` is right before an optimiser step, `decode` where a thread is about to read a picture to train on.',
    ),
  action: z
    .enum(['kill', 'terminate', 'error', 'disk-full', 'stall', 'nan', 'memory'])
    .default('kill')
    .describe(
      'What happens: SIGKILL or SIGTERM to the own process, an unexpected error, a full disk, a pause; at `step` also a loss that is no number, at `step`, `evaluate` and `decode` memory that runs out. At `decode`: `error`, `stall` or `memory`.',
    ),
  step: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .describe(
      'Finished steps at which it happens (`decode`: those before the batch that the picture is for); without, the first time that the run comes by.',
    ),
  times: z.int().min(1).max(1_000_000).default(1).describe('How often it happens.'),
  seconds: z.number().min(0).max(3600).default(1).describe('stall: how long.'),
});

export type Fault = z.output<typeof fault>;

export const debugSchema = z
  .strictObject({
    fault: z
      .union([fault, z.array(fault).max(100)])
      .default([])
      .describe('Faults to inject, one or a list: to see that a run survives them.'),
  })
  .prefault({})
  .describe('Trouble on purpose.');
