/**
 * What distillation gains on real pictures: a queue of trainings, each of which adds one row to bench/ld-gain.json. It can be
 * stopped at any time and goes on with the first row that is missing.
 *
 *   npm run bench:gain -- [--set cones] [--runs RUNS_FOLDER] [--limit N] [--table]
 *
 * Equal budget for every student of a set: the same pictures, epochs, size and seeds; only what it learns from differs. The
 * teacher is larger and trains longer. Students see flips only, so that the teacher's outputs come from its cache.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadRecipe, type RecipeInput, Trainer } from '../lib/index.ts';
import { clock, metric } from '../lib/report/format.ts';
import { table } from '../lib/report/tables.ts';

interface Row {
  set: string;
  student: string;
  seed: number;
  ap: number;
  ap50: number;
  ap75: number;
  teacherAp: number;
  epochs: number;
  seconds: number;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const results = here('ld-gain.json');
const size = 256;
const teacherEpochs = 40;
const studentEpochs = 8;
/** Seconds that a student may take when nothing else runs; longer ones are named under the table. */
const budget = 8 * 60;
const batch = 8;
const seeds = [0, 1, 2];
const sets = ['cones', 'bccd'];

// Weights and kinds are the published ones, which a transfer has when nothing is said.
const main = { transfer: 'localization' as const, region: 'main' as const };
const valuable = { transfer: 'localization' as const, region: 'valuable' as const };
const classes = { transfer: 'classification' as const };
const students: Record<string, RecipeInput['distill']> = {
  alone: [],
  'main + valuable LD + KD': [main, valuable, classes],
  'main LD': [main],
  imitation: [{ transfer: 'imitation' }],
};

/** A recipe of configs/gfl at this benchmark's size, with these changes. */
function recipeOf(set: string, changes: readonly string[]) {
  return loadRecipe(here(`../configs/gfl/r18_${set}.yaml`), {
    set: [
      `data.size=${size}`,
      `train.batch=${batch}`,
      'eval.every=0',
      'eval.pictures=0',
      'checkpoint.seconds=120',
      ...changes,
    ],
  });
}

async function train(recipe: ReturnType<typeof recipeOf>, run: string) {
  const start = performance.now();
  const result = await new Trainer(recipe, { run, resume: 'auto' }).run();
  const at = (name: string) => Number(result.metrics?.[name] ?? Number.NaN);
  return { ap: at('ap'), ap50: at('ap50'), ap75: at('ap75'), seconds: (performance.now() - start) / 1000 };
}

const { values } = parseArgs({
  options: {
    set: { type: 'string' },
    runs: { type: 'string', default: 'runs/ld-gain' },
    limit: { type: 'string', default: '1000' },
    table: { type: 'boolean', default: false },
  },
});
const rows: Row[] = existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as Row[]) : [];

async function teacherOf(set: string): Promise<{ weights: string; ap: number }> {
  const run = join(values.runs, set, 'teacher');
  const summary = join(run, 'ap.json');
  if (!existsSync(summary)) {
    const recipe = recipeOf(set, ['model.backbone=resnet34', `train.epochs=${teacherEpochs}`]);
    const { ap, seconds } = await train(recipe, run);
    writeFileSync(summary, JSON.stringify({ ap }));
    process.stdout.write(`${set}: teacher AP ${metric(ap)} in ${clock(seconds)}\n`);
  }
  return { weights: join(run, 'student.safetensors'), ...JSON.parse(readFileSync(summary, 'utf8')) };
}

async function fill(): Promise<void> {
  let left = Number(values.limit);
  for (const seed of seeds) {
    for (const set of values.set ? [values.set] : sets) {
      for (const [student, distill] of Object.entries(students)) {
        if (rows.some((row) => row.set === set && row.student === student && row.seed === seed)) continue;
        if (left-- <= 0) return;
        const teacher = await teacherOf(set);
        const cache = join(values.runs, 'cache');
        mkdirSync(cache, { recursive: true });
        const teachers = [{ weights: teacher.weights, cache: { folder: cache } }];
        const recipe = recipeOf(set, [
          `train.epochs=${studentEpochs}`,
          `train.seed=${seed}`,
          `data.augment=${JSON.stringify([{ flip: {} }])}`,
          ...(distill?.length
            ? [`teachers=${JSON.stringify(teachers)}`, `distill=${JSON.stringify(distill)}`]
            : []),
        ]);
        const name = student.replaceAll(/[^a-z]+/gi, '-').toLowerCase();
        const { seconds, ...numbers } = await train(recipe, join(values.runs, set, `${name}-${seed}`));
        rows.push({
          set,
          student,
          seed,
          ...numbers,
          teacherAp: teacher.ap,
          epochs: studentEpochs,
          seconds: Math.round(seconds),
        });
        writeFileSync(results, `${JSON.stringify(rows, null, 1)}\n`);
        process.stdout.write(
          `${set}: ${student}, seed ${seed}: AP ${metric(numbers.ap)} in ${clock(seconds)}\n`,
        );
      }
    }
  }
}

/**
 * Mean ± standard deviation over the seeds, and the difference to the student alone in standard errors. Rows of other students
 * than the queue's (trained by hand with other settings, as their names say) come after it; 'pretrained: main LD' is compared with
 * 'pretrained: alone'.
 */
function summary(): string {
  const spread = (list: readonly number[]) => {
    const mean = list.reduce((a, b) => a + b, 0) / list.length;
    const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, list.length - 1);
    return { mean, deviation: Math.sqrt(variance), error: Math.sqrt(variance / list.length) };
  };
  const names = [...new Set([...Object.keys(students), ...rows.map(({ student }) => student)])];
  const lines = sets.flatMap((set) =>
    names.flatMap((student) => {
      const own = rows.filter((row) => row.set === set && row.student === student);
      if (own.length === 0) return [];
      const base = student.replace(/(?<=^|: )[^:]*$/, 'alone');
      const alone = rows.filter((row) => row.set === set && row.student === base);
      const of = (key: 'ap' | 'ap50' | 'ap75') => spread(own.map((row) => row[key]));
      const show = (key: 'ap' | 'ap50' | 'ap75') => {
        const { mean, deviation } = of(key);
        return own.length > 1 ? `${mean.toFixed(3)} ± ${deviation.toFixed(3)}` : mean.toFixed(3);
      };
      const [a, b] = [of('ap'), spread(alone.map((row) => row.ap))];
      const gain = student === base || alone.length === 0 ? '' : signed(a.mean - b.mean);
      const error = own.length > 1 && alone.length > 1 ? Math.hypot(a.error, b.error).toFixed(3) : '';
      return [[set, student, own.length, show('ap'), show('ap50'), show('ap75'), gain, gain && error]];
    }),
  );
  return table(['set', 'student', 'seeds', 'AP', 'AP50', 'AP75', 'gain', 'its standard error'], lines);
}

const signed = (value: number) => `${value >= 0 ? '+' : ''}${value.toFixed(3)}`;

if (!values.table) await fill();
process.stdout.write(`${summary()}\n`);
const over = rows.filter(({ student, seconds }) => student in students && seconds > budget);
process.stdout.write(
  over.length === 0
    ? `each student within its ${clock(budget)}\n`
    : `beyond ${clock(budget)}: ${over.map(({ set, student, seed, seconds }) => `${set}, ${student}, seed ${seed}: ${clock(seconds)}`).join('; ')}\n`,
);
