/** System packages: looked for by what they provide, installed with apt where that is allowed. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { step, stop } from './log.mjs';

const ok = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const program = (name) => () => ok(name, ['--version']);
const header = (name) => () =>
  ok('sh', ['-c', `echo '#include <${name}>' | c++ -std=c++20 -E -x c++ - -o /dev/null`]);

/** Debian package → test that what it brings is there. Compilers first: header tests need them. */
const needs = {
  'g++': program('c++'),
  cmake: program('cmake'),
  'pkg-config': program('pkg-config'),
  'ninja-build': program('ninja'),
  ccache: program('ccache'),
  'libturbojpeg0-dev': header('turbojpeg.h'),
  'libjpeg-dev': header('jpeglib.h'),
  'libpng-dev': header('png.h'),
  'libsimdjson-dev': header('simdjson.h'),
  'libpugixml-dev': header('pugixml.hpp'),
  'doctest-dev': header('doctest/doctest.h'),
};

export function missingPackages() {
  return Object.entries(needs).flatMap(([name, present]) => (present() ? [] : [name]));
}

/** Installs what is missing; ends the script with the line to type where it may not. */
export function ensureSystem() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const root = process.getuid?.() === 0;
  const prefix = root ? [] : ['sudo', '-n'];
  const line = `sudo apt-get install -y ${missing.join(' ')}`;
  const may = ok('apt-get', ['--version']) && (root || ok('sudo', ['-n', 'true']));
  if (!may) stop(`these system packages are missing; type: ${line}`);
  step(`installing system packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) =>
    spawnSync([...prefix, 'apt-get', ...args][0], [...prefix, 'apt-get', ...args].slice(1), {
      env,
      encoding: 'utf8',
    });
  apt('update', '-qq');
  const result = apt('install', '-y', '-qq', ...missing);
  if (result.status !== 0) stop(`apt-get could not install the packages:\n${result.stderr}\nType: ${line}`);
}
