import { HdError } from '../error.ts';
import { describeOrigin, dotted, type Origin, type Path } from './source.ts';

export type ProblemCode =
  | 'HD_RECIPE_FILE'
  | 'HD_RECIPE_SYNTAX'
  | 'HD_RECIPE_LIMIT'
  | 'HD_RECIPE_DUPLICATE_KEY'
  | 'HD_RECIPE_EXTENDS'
  | 'HD_RECIPE_OVERRIDE'
  | 'HD_RECIPE_UNKNOWN_KEY'
  | 'HD_RECIPE_MISSING'
  | 'HD_RECIPE_TYPE'
  | 'HD_RECIPE_RANGE'
  | 'HD_RECIPE_VALUE'
  | 'HD_RECIPE_CONFLICT';

/** One thing that is wrong with a recipe. */
export interface Problem {
  readonly code: ProblemCode;
  /** `expected <what> for <path> but received <value> (<file>:<line>)`, then the cure. */
  readonly message: string;
  /** Dotted path in the recipe; '' for the file as a whole. */
  readonly path: string;
  /** Absolute path of the file; '' for overrides and objects. */
  readonly file: string;
  /** 1-based; 0 for overrides, objects, and files that could not be read. */
  readonly line: number;
}

/** Everything that is wrong with a recipe, at once. */
export class RecipeError extends HdError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    const [first] = problems as [Problem, ...Problem[]];
    super(
      first.code,
      summary(problems),
      first.file === '' ? first.path : `${first.file}:${first.line}`,
      options,
    );
    this.problems = problems;
  }
}

const shownProblems = 30;

function summary(problems: readonly Problem[]): string {
  if (problems.length === 1) return (problems[0] as Problem).message;
  const lines = problems.slice(0, shownProblems).map((problem) => `  ${problem.message}`);
  const rest = problems.length - lines.length;
  if (rest > 0) lines.push(`  … and ${rest} more`);
  return `${problems.length} problems in the recipe:\n${lines.join('\n')}`;
}

/** The parts of the one sentence. `cure` follows the place after a semicolon. */
export interface Sentence {
  code: ProblemCode;
  expected: string;
  path: Path;
  received: string;
  at: Origin;
  cure?: string | undefined;
}

export function problem({ code, expected, path, received, at, cure }: Sentence): Problem {
  const subject = path.length === 0 ? 'the recipe' : path.map((key) => (key === '' ? "''" : key)).join('.');
  const message = `expected ${expected} for ${subject} but received ${received} ${describeOrigin(at)}`;
  return {
    code,
    message: printable(cure ? `${message}; ${cure}` : message),
    path: dotted(path),
    file: at.source.file,
    line: at.line,
  };
}

/** Keys, file names and overrides are a stranger's text: nothing in them may steer a terminal or break the line. */
const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });

/** A value as messages show it: short, on one line, control characters escaped. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return String(value);
  const quoted = (text: string) => `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')}'`;
  if (typeof value === 'string') {
    return value.length <= 60 ? quoted(value) : `${quoted(value.slice(0, 57))}… (${value.length} characters)`;
  }
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}… (${Array.isArray(value) ? 'a list' : 'a map'})`;
}
