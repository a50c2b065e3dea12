/** npm's `prepare` script: compiles TypeScript in a checkout; published packages bring dist/ along. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup/native.mjs';
import { buildTypeScript } from './setup/typescript.mjs';

if (existsSync(join(root, 'node_modules/typescript'))) buildTypeScript();
