/** `teachers[].verify`: each teacher detects the first validation pictures, as the student will see them. */
import { HdError } from '../error.ts';
import { type NativeDataset, type NativeSession, native } from '../native.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { metric } from '../report/format.ts';
import { detectAll, type Watch } from './detect.ts';
import { detectOptions, openLoader } from './setup.ts';
import type { TeacherSummary } from './teachers.ts';

/**
 * Fills in `verified` of the summaries.
 * @throws HdError HD_RECIPE_TEACHER when a teacher is below its minAp
 */
export async function verifyTeachers(
  recipe: Recipe,
  session: NativeSession,
  valSet: NativeDataset | null,
  summaries: TeacherSummary[],
  { warn, signal }: { warn: (message: string) => void; signal: AbortSignal },
): Promise<void> {
  for (const [teacher, { verify, weights }] of recipe.teachers.entries()) {
    const summary = summaries[teacher];
    if (!verify || !valSet || !summary) continue;
    const { classes } = valSet;
    if (!summary.mapped && summary.classes !== classes.length) {
      warn(
        `teacher ${weights} is not verified: it has ${summary.classes} classes and the data ${classes.length}, and nothing says which are which; list teachers.classes, and classMap where names differ`,
      );
      continue;
    }
    summary.verified = await measure(recipe, session, valSet, {
      ...{ teacher, images: verify.images },
      ...{ warn, signal },
    });
    const { ap } = summary.verified;
    if (verify.minAp !== null && !(ap >= verify.minAp)) {
      throw new HdError(
        'HD_RECIPE_TEACHER',
        `expected an AP of at least ${verify.minAp} from teacher ${weights} on ${summary.verified.images} validation pictures but it has ${metric(ap)}: check its model section (size, mean, std, channelOrder, classMap), or lower minAp`,
        `teachers.${teacher}.verify`,
      );
    }
  }
}

async function measure(
  recipe: Recipe,
  session: NativeSession,
  valSet: NativeDataset,
  { teacher, images, ...watch }: { teacher: number; images: number } & Watch,
): Promise<{ images: number; ap: number }> {
  // In order, as only the first ones are looked at: by aspect they would all be wide.
  const loader = openLoader(recipe, valSet, false, session.divisor, true);
  try {
    const evaluator = new (native().Evaluator)(valSet);
    const options = { ...detectOptions(recipe), teacher };
    const next = () => session.detect(loader, evaluator, options);
    const { done } = await detectAll(loader, next, { ...watch, enough: images });
    const { metric: kind, interpolation } = recipe.eval;
    const { ap } = await evaluator.summarize({ metric: kind, interpolation, seenOnly: true });
    return { images: done, ap: Number(ap) };
  } finally {
    loader.close();
  }
}
