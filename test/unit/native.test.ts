import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HdError } from '../../lib/error.ts';
import { addonCandidates, native } from '../../lib/native.ts';
import { temporaryFolder } from '../faults/command.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

/** What native() of lib/native.ts below `at` says in a process of its own. */
function loadIn(at: string, addon?: string): { code?: string; message?: string; torch?: string } {
  const script = `
    import { native } from ${JSON.stringify(pathToFileURL(join(at, 'lib', 'native.ts')).href)};
    try {
      console.log(JSON.stringify({ torch: native().info().torch }));
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
  const { HDTRAIN_ADDON: _, ...environment } = process.env;
  const end = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
    env: addon === undefined ? environment : { ...environment, HDTRAIN_ADDON: addon },
  });
  assert.equal(end.status, 0, end.stderr);
  return JSON.parse(end.stdout);
}

describe('finding the addon', () => {
  test('HDTRAIN_ADDON comes first, then the build below the package', () => {
    const before = process.env.HDTRAIN_ADDON;
    try {
      delete process.env.HDTRAIN_ADDON;
      const [built, ...none] = addonCandidates();
      assert.equal(built, join(root, 'native/.build/addon/Release/hdtrain.node'));
      assert.deepEqual(none, []);
      process.env.HDTRAIN_ADDON = '/elsewhere/a.node';
      assert.deepEqual(addonCandidates(), ['/elsewhere/a.node', built]);
      process.env.HDTRAIN_ADDON = '';
      assert.deepEqual(addonCandidates(), [built]);
    } finally {
      if (before === undefined) delete process.env.HDTRAIN_ADDON;
      else process.env.HDTRAIN_ADDON = before;
    }
  });
  test('a package that was never built says what to run', () => {
    const copy = join(folder, 'unbuilt');
    mkdirSync(join(copy, 'lib'), { recursive: true });
    for (const name of ['native.ts', 'error.ts']) cpSync(join(root, 'lib', name), join(copy, 'lib', name));
    writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
    const { code, message } = loadIn(copy);
    assert.equal(code, 'HD_NATIVE_MISSING');
    assert.match(message ?? '', /npm run setup' in .*unbuilt/);
  });
  test('a file that is no addon is named, with the cure', () => {
    const path = join(folder, 'broken.node');
    writeFileSync(path, 'not an object file');
    const { code, message } = loadIn(root, path);
    assert.equal(code, 'HD_NATIVE_LOAD');
    assert.match(message ?? '', /broken\.node.*npm run setup.*doctor/s);
  });
  test('a variable that points nowhere does not hide the build', () => {
    assert.ok(loadIn(root, join(folder, 'none.node')).torch);
  });
});

describe('the addon', () => {
  test('is loaded once', () => assert.equal(native(), native()));
  test('says what it was built with and what the machine can do', () => {
    const info = native().info();
    assert.match(info.torch, /^\d+\.\d+\.\d+/);
    assert.match(info.build, /^[0-9a-f]{16}$/);
    assert.ok(['DEFAULT', 'AVX2', 'AVX512'].includes(info.capability));
    for (const name of ['avx2', 'avx512', 'amx', 'bf16', 'bf16Pays'] as const)
      assert.equal(typeof info[name], 'boolean');
    assert.ok(info.threads >= 1);
    assert.deepEqual(Object.keys(info.decoders).sort(), ['WebP, AVIF, TIFF, GIF', 'jpeg', 'png']);
    for (const version of Object.values(info.decoders)) assert.match(version, /\d+\.\d+/);
  });
  test('exports what lib/native.ts declares, and nothing else', () => {
    const declared = [
      'Evaluator',
      'Loader',
      'benchDistillation',
      'benchEval',
      'benchNms',
      'benchTeacher',
      'boxIou',
      'classColour',
      'createSession',
      'detectDataset',
      'draw',
      'endOnSignals',
      'endProcess',
      'expandBraces',
      'finishWork',
      'fsyncPath',
      'importWeights',
      'info',
      'lockFile',
      'openDataset',
      'openSource',
      'removeTemporaries',
      'score',
      'setErrorClass',
      'setPictureLibrary',
      'suppress',
      'weightsInfo',
      'writeFile',
    ];
    assert.deepEqual(Object.keys(native()).sort(), declared);
    for (const member of Object.values(native())) assert.equal(typeof member, 'function');
  });
  test('its errors are HdErrors with the JavaScript stack of the call', async () => {
    const path = join(folder, 'none.safetensors');
    async function caller() {
      return native().weightsInfo(path);
    }
    await assert.rejects(caller, (error: HdError) => {
      assert.ok(error instanceof HdError);
      assert.equal(error.code, 'HD_IO');
      assert.match(error.message, /none\.safetensors/);
      assert.match(error.stack ?? '', /^HdError: .*none\.safetensors.*\n {4}at .*caller/);
      return true;
    });
    assert.throws(
      () => native().fsyncPath(path),
      (error: HdError) => error instanceof HdError,
    );
    assert.equal(existsSync(path), false);
  });
});
