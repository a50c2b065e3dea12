/** npm's `install` script: builds the addon from source. Never fails an install: the command line tells what is missing. */
import process from 'node:process';
import { ensureLibtorch } from './setup/libtorch.mjs';
import { buildNative } from './setup/native.mjs';
import { missingPackages } from './setup/system.mjs';

const missing = missingPackages();
if (missing.length > 0) {
  process.stderr.write(
    `hdtrain: not built, because system packages are missing. Type: sudo apt-get install -y ${missing.join(' ')} && npm rebuild hdtrain\n`,
  );
} else {
  buildNative(await ensureLibtorch());
}
