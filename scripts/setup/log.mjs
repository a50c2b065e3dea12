/** Output of the set-up scripts: one line a step, a bar for downloads. Plain JavaScript: runs before anything is installed. */
import process from 'node:process';

export function step(text) {
  process.stdout.write(`· ${text}\n`);
}

/** Ends the script with a sentence and a cure. */
export function stop(text) {
  process.stderr.write(`\n✗ ${text}\n`);
  process.exit(1);
}

/** @returns a function that shows how much of `total` bytes is there; a live bar on a terminal, one line per 10 % elsewhere. */
export function progress(what, total) {
  let shown = -1;
  return (bytes) => {
    const share = total > 0 ? bytes / total : 0;
    const tenth = Math.floor(share * (process.stdout.isTTY ? 50 : 10));
    if (tenth === shown) return;
    shown = tenth;
    const size = `${(bytes / 1e6).toFixed(0)}${total ? ` of ${(total / 1e6).toFixed(0)}` : ''} MB`;
    if (process.stdout.isTTY)
      process.stdout.write(
        `\r  ${what} [${'#'.repeat(tenth).padEnd(50, '.')}] ${size}${share >= 1 ? '\n' : ''}`,
      );
    else process.stdout.write(`  ${what}: ${size}\n`);
  };
}
