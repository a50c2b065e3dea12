/** Exit codes of the command line; scripts rely on them. */
export const ExitCode = {
  done: 0,
  usage: 2,
  data: 3,
  weights: 4,
  diverged: 5,
  internal: 70,
  interrupted: 75,
} as const;

/**
 * The one error type of hdtrain. `code` is stable (see docs/reference/errors.md), `message` is one sentence that names
 * the cure, `where` is the file, recipe path, tensor or image that it is about.
 */
export class HdError extends Error {
  override readonly name = 'HdError';

  constructor(
    readonly code: string,
    message: string,
    readonly where: string = '',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The process exit code that this error stands for. */
  get exitCode(): number {
    if (/^HD_(RECIPE|USAGE|RUN|UNKNOWN|NATIVE|PLATFORM)/.test(this.code)) return ExitCode.usage;
    if (/^HD_DATA/.test(this.code)) return ExitCode.data;
    if (/^HD_(CKPT|WEIGHTS|PTH)/.test(this.code)) return ExitCode.weights;
    if (this.code === 'HD_DIVERGED') return ExitCode.diverged;
    return ExitCode.internal;
  }
}
