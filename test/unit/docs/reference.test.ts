import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorReference } from '../../../scripts/error-reference.ts';

test('docs/reference/errors.md is what `npm run reference` writes', () => {
  const path = new URL('../../../docs/reference/errors.md', import.meta.url);
  assert.equal(readFileSync(path, 'utf8'), errorReference());
});
