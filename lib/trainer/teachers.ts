/** From the `teachers` and `distill` sections to what a session takes: what a weight file says of itself, classes matched by name. */
import { HdError } from '../error.ts';
import { native } from '../native.ts';
import {
  remarkOnOneClass,
  type TeacherSection,
  type TransferSection,
  termName,
} from '../recipe/schema/distill.ts';
import { modelSchema } from '../recipe/schema/model.ts';
import type { Recipe } from '../recipe/schema/root.ts';
import { metric } from '../report/format.ts';
import { cacheFolder } from './cache-folder.ts';
import { precisionFor } from './digest.ts';
import { modelOptions } from './setup.ts';
import { requireWeights } from './start.ts';

export interface TeacherOptions {
  weights: string;
  /** As SessionOptions.model. */
  model: Record<string, unknown>;
  /** Teacher's class of each student class; null: the same numbers. */
  classMap: number[] | null;
  cache: { folder: string; limit: number; build: string } | null;
  /** Of its plan. */
  precision: 'fp32' | 'bf16';
}

export interface DistillOptions {
  teachers: TeacherOptions[];
  distill: Record<string, unknown>[];
}

/** What a teacher is, for people. */
export interface TeacherSummary {
  weights: string;
  backbone: string;
  tensors: number;
  classes: number;
  /** Whether its classes are found for those of the student by name; else both number them alike. */
  mapped: boolean;
  precision: 'fp32' | 'bf16';
  transfers: string[];
  /** What teachers[].verify measured. */
  verified?: { images: number; ap: number };
}

/**
 * Published weights of localization in both regions, and the images of a GPU that its sums run over there; the valuable
 * ones hold the factors that the sources write beside them.
 */
const published = {
  gfl: { main: 0.25, valuable: 0.25, images: 3 },
  gflv2: { main: 0.25, valuable: 0.25, images: 3 },
  atss: { main: 0.25, valuable: 0.15, images: 2 },
  fcos: { main: 0.25, valuable: 0.25, images: 2 },
  retinanet: { main: 0.25, valuable: 0.03, images: 2 },
};

/** Published for COCO; classification averages over the classes, so that fewer of them make each weigh more. */
const publishedClasses = 80;

/** Presets other than `released` average over images and keep what a row weighs whatever the number of classes. */
function weightOf(entry: TransferSection, detector: keyof typeof published, classes: number): number {
  const released = entry.preset === 'released';
  if (entry.weight !== null) return entry.weight;
  if (entry.transfer === 'classification') return released ? 10 : (10 * classes) / publishedClasses;
  if (entry.transfer === 'imitation') return 2;
  const { images, ...regions } = published[detector];
  const together =
    detector === 'retinanet' && (entry.sides ?? (released ? 'together' : 'separate')) === 'together';
  // RetinaNet's published 5 is for one softmax over all four sides.
  return regions[entry.region] * (together ? 20 : 1) * (released ? 1 : images);
}

/** @throws HdError HD_WEIGHTS_MISSING, HD_RECIPE_TEACHER */
export async function distillOptions(
  recipe: Recipe,
  classes: readonly string[],
): Promise<(DistillOptions & { summaries: TeacherSummary[] }) | null> {
  if (recipe.distill.length === 0) return null;
  const teachers: TeacherOptions[] = [];
  const summaries: TeacherSummary[] = [];
  for (const [index, section] of recipe.teachers.entries()) {
    const { options, tensors } = await teacherOptions(recipe, section, classes);
    teachers.push(options);
    summaries.push({
      weights: section.weights,
      backbone: String(options.model.backbone),
      tensors,
      classes: Number(options.model.classes),
      mapped: options.classMap !== null,
      precision: options.precision,
      transfers: recipe.distill.filter(({ teacher }) => teacher === index).map(termName),
    });
  }
  const distill = recipe.distill.map((entry) => ({
    ...withoutNulls(entry),
    name: termName(entry),
    weight: weightOf(entry, recipe.model.detector, classes.length),
  }));
  return { teachers, distill, summaries };
}

/** What the recipe alone could not tell while the data had not named the classes. */
export function classRemarks({ model, distill }: Recipe, classes: readonly string[]): string[] {
  if (model.classes !== 'auto' || classes.length !== 1) return [];
  return distill.flatMap((entry, index) => {
    const remark = remarkOnOneClass(entry);
    return remark ? [`distill.${index}.kind: ${remark} (the data set has one class, ${classes[0]})`] : [];
  });
}

/** Null stands for 'not given'. */
function withoutNulls(section: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== null));
}

async function teacherOptions(
  recipe: Recipe,
  { weights, classMap, cache, precision, verify: _verify, ...given }: TeacherSection,
  studentClasses: readonly string[],
): Promise<{ options: TeacherOptions; tensors: number }> {
  requireWeights(weights);
  const { metadata, tensors } = await native().weightsInfo(weights);
  const own =
    metadata.format === 'hdtrain-student-1' && metadata.model
      ? (JSON.parse(metadata.model) as Record<string, unknown>)
      : {};
  const written = withoutNulls(given);
  const { classes: stated, ...model } = { ...own, ...written } as { classes?: unknown };
  const names = Array.isArray(stated) ? (stated as string[]) : null;
  const count = names?.length ?? (typeof stated === 'number' ? stated : studentClasses.length);
  const section = modelSchema.parse({ ...model, norm: 'frozen', weights: null });
  return {
    options: {
      weights,
      model: modelOptions({ ...recipe, model: section }, count),
      classMap: mapClasses(weights, names, studentClasses, classMap),
      cache: cache && {
        folder: cache.folder ?? cacheFolder('teachers'),
        limit: Math.round(cache.limit * 1e9),
        build: native().info().build,
      },
      precision: precisionFor(precision),
    },
    tensors: tensors.length,
  };
}

/** Null when both sides number their classes alike; the native side then compares the counts. */
function mapClasses(
  weights: string,
  teacher: readonly string[] | null,
  student: readonly string[],
  classMap: Record<string, string> | null,
): number[] | null {
  if (!teacher) {
    if (!classMap) return null;
    throw new HdError(
      'HD_RECIPE_TEACHER',
      `expected the names of the teacher's classes for the classMap of ${weights} but its file holds none: list them in teachers.classes`,
      'teachers',
    );
  }
  const unknown = Object.keys(classMap ?? {}).filter((name) => !student.includes(name));
  if (unknown.length > 0) {
    throw new HdError(
      'HD_RECIPE_TEACHER',
      `expected classes of the student (${student.join(', ')}) on the left of the classMap of ${weights} but received ${unknown.join(', ')}: write STUDENT_CLASS: TEACHER_CLASS`,
      'teachers',
    );
  }
  const indices = student.map((name) => teacher.indexOf(classMap?.[name] ?? name));
  const missing = student.filter((_, i) => indices[i] === -1);
  if (missing.length === 0)
    return indices.every((index, i) => index === i) && teacher.length === student.length ? null : indices;
  throw new HdError(
    'HD_RECIPE_TEACHER',
    `expected the teacher ${weights} to know the classes ${missing.join(', ')} but it knows ${teacher.join(', ')}: map them with classMap, or set teachers.classes to ${teacher.length} if both number their classes alike`,
    'teachers',
  );
}

/** One line about a teacher. */
export function describeTeacher({
  weights,
  backbone,
  tensors,
  classes,
  precision,
  transfers,
  verified,
}: TeacherSummary): string {
  const teaches = transfers.length > 0 ? `teaches ${transfers.join(', ')}` : 'is not used';
  const measured = verified ? `, AP ${metric(verified.ap)} on ${verified.images} pictures` : '';
  return `teacher ${weights}: ${backbone}, ${classes} classes, all ${tensors} tensors matched, ${precision}${measured}; ${teaches}`;
}
