/** Compiles lib/ to dist/ and writes the recipe's JSON Schema beside it; nothing when no input has changed. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { step, stop } from './log.mjs';
import { root } from './native.mjs';

export function buildTypeScript() {
  const dist = join(root, 'dist');
  const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort();
  const hash = createHash('sha256').update(readFileSync(join(root, 'tsconfig.json')));
  for (const name of sources) hash.update(name).update(readFileSync(join(root, 'lib', name)));
  const digest = hash.digest('hex');
  const stamp = join(dist, '.inputs.sha256');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  step('compiling TypeScript');
  rmSync(dist, { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/lib/tsc.js');
  const result = spawnSync(process.execPath, [compiler, '-p', root], { encoding: 'utf8' });
  if (result.status !== 0) stop(`TypeScript found errors:\n${result.stdout}`);
  chmodSync(join(dist, 'cli/main.js'), 0o755);
  const emit = `import { recipeJsonSchema } from ${JSON.stringify(pathToFileURL(join(dist, 'recipe/index.js')).href)};
    process.stdout.write(JSON.stringify(recipeJsonSchema(), null, 1) + '\\n');`;
  const schema = spawnSync(process.execPath, ['--input-type=module', '-e', emit], { encoding: 'utf8' });
  if (schema.status !== 0) stop(`the recipe schema could not be written:\n${schema.stderr}`);
  writeFileSync(join(dist, 'recipe.schema.json'), schema.stdout);
  writeFileSync(stamp, digest);
}
