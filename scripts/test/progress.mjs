/** A reporter of node:test: a line for each file when it has ended, with the seconds that it took. */
import { relative } from 'node:path';
import { root } from '../setup/native.mjs';

export default async function* progress(events) {
  let known = 0;
  let ended = 0;
  for await (const { type, data } of events) {
    // An event that names the file itself is about the process that ran it.
    if (data.file === undefined || data.name !== data.file) continue;
    if (type === 'test:enqueue') known += 1;
    if (type !== 'test:complete') continue;
    ended += 1;
    yield `  ${ended} of ${known}: ${relative(root, data.file)}, ${(data.details.duration_ms / 1000).toFixed(1)} s\n`;
  }
}
