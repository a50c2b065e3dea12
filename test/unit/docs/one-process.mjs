/**
 * The built command line again and again in one process, which saves loading libtorch each time: for every message
 * `{ cwd, args }` from the parent, main.js is evaluated anew, and its exit code is answered. A verb that ends the
 * process itself ends this one.
 */
import process from 'node:process';

const main = new URL('../../../dist/cli/main.js', import.meta.url).href;
let count = 0;

process.on('message', async ({ cwd, args }) => {
  process.chdir(cwd);
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...args);
  process.exitCode = 0;
  await import(`${main}?${++count}`);
  const status = process.exitCode;
  // What the verb wrote reaches the pipes first.
  process.stdout.write('', () => process.stderr.write('', () => process.send({ status })));
});
