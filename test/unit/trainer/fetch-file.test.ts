import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { HdError } from '../../../lib/error.ts';
import { type FetchOptions, fetchFile, shownUrl } from '../../../lib/trainer/fetch-file.ts';
import { temporaryFolder } from '../../faults/command.ts';
import { cutAfter, type Mischief, refuseWith, type ShardServer, serveShards } from './shard-server.ts';

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 256));
const hasty: FetchOptions = { attempts: 3, pause: 1, idle: 5000 };

let server: ShardServer;
let folder: string;
let target: string;

before(async () => {
  server = await serveShards();
});
after(() => server.close());
beforeEach(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  folder = temporaryFolder();
  target = join(folder, 'a.tar');
  server.files.clear();
  server.files.set('/a.tar', { bytes });
  server.requests.length = 0;
  server.mischief.length = 0;
});
after(() => rmSync(folder, { recursive: true, force: true }));

const get = (options: FetchOptions = {}) =>
  fetchFile(`${server.url}/a.tar`, target, { ...hasty, ...options });
const ranges = () => server.requests.map(({ range }) => range);

const cut = (count: number) =>
  cutAfter(
    server.files,
    count,
    (bytes) => (statSync(`${target}.part`, { throwIfNoEntry: false })?.size ?? 0) >= bytes,
  );

const hangUp: Mischief = (request) => {
  request.socket.destroy();
  return true;
};

/** What fetching ends with. */
async function refusal(options: FetchOptions = {}): Promise<HdError> {
  try {
    await get(options);
  } catch (error) {
    assert.ok(error instanceof HdError, String(error));
    assert.equal(error.code, 'HD_DATA_FETCH');
    assert.equal(error.exitCode, 3);
    assert.equal(error.where, `${server.url}/a.tar`);
    assert.ok(error.message.startsWith(`expected to fetch ${server.url}/a.tar but received `), error.message);
    assert.ok(!existsSync(target), 'nothing that looks whole');
    return error;
  }
  return assert.fail('expected a refusal');
}

describe('a file arrives whole', () => {
  test('in one request, with its progress', async () => {
    const seen: [number, number | null][] = [];
    await get({ onProgress: (done, size) => seen.push([done, size]) });
    assert.ok(readFileSync(target).equals(bytes));
    assert.deepEqual(ranges(), ['bytes=0-']);
    assert.deepEqual(seen[0], [0, bytes.length]);
    assert.deepEqual(seen.at(-1), [bytes.length, bytes.length]);
    assert.ok(seen.every(([done], i) => i === 0 || done >= (seen[i - 1]?.[0] ?? 0)));
    assert.deepEqual(readdirSync(folder).sort(), ['a.tar', 'a.tar.json']);
  });

  test('from a server without ranges, and from one that tells no size', async () => {
    server.files.set('/a.tar', { bytes, ranges: false });
    await get();
    assert.ok(readFileSync(target).equals(bytes));
    rmSync(target);
    server.mischief.push((_request, response) => {
      response.writeHead(200); // in chunks
      response.write(bytes.subarray(0, 1000));
      response.end(bytes.subarray(1000));
      return true;
    });
    const sizes: (number | null)[] = [];
    await get({ onProgress: (_done, size) => sizes.push(size) });
    assert.ok(readFileSync(target).equals(bytes));
    assert.ok(sizes.every((size) => size === null));
  });

  test('after 503, then 429 that asks for a second, then fine', async () => {
    server.mischief.push(refuseWith(503), refuseWith(429, { 'retry-after': '1' }));
    const begin = performance.now();
    await get({ attempts: 4 });
    assert.ok(performance.now() - begin >= 990);
    assert.ok(readFileSync(target).equals(bytes));
    assert.equal(server.requests.length, 3);
  });
});

describe('a connection that is cut', () => {
  test('goes on where it was, as long as each attempt brings something', async () => {
    for (let i = 0; i < 6; ++i) server.mischief.push(cut(40_000));
    await get({ attempts: 2 });
    assert.ok(readFileSync(target).equals(bytes));
    const [first, second] = server.requests;
    assert.equal(first?.ifRange, undefined);
    assert.equal(second?.ifRange, '"v1"');
    const starts = ranges().map((range) => Number(/\d+/.exec(range ?? '')?.[0]));
    assert.equal(starts[0], 0);
    assert.ok(
      starts.every((start, i) => i === 0 || start > (starts[i - 1] ?? 0)),
      String(starts),
    );
  });

  test('goes on in a later process, also by the date of the last change', async () => {
    for (const validator of [{ etag: '"x"' }, { etag: null, modified: 'Sun, 06 Nov 1994 08:49:37 GMT' }]) {
      rmSync(target, { force: true });
      server.requests.length = 0;
      server.files.set('/a.tar', { bytes, ...validator });
      server.mischief.push(cut(100_000));
      await refusal({ attempts: 1 });
      const arrived = readFileSync(`${target}.part`);
      assert.ok(arrived.length > 0 && arrived.equals(bytes.subarray(0, arrived.length)));
      await get();
      assert.ok(readFileSync(target).equals(bytes));
      assert.equal(server.requests[1]?.range, `bytes=${arrived.length}-`);
      assert.equal(server.requests[1]?.ifRange, validator.etag ?? validator.modified);
    }
  });

  test('starts again where nothing says that the file is still the same', async () => {
    for (const etag of [null, 'W/"weak"']) {
      rmSync(target, { force: true });
      server.requests.length = 0;
      server.files.set('/a.tar', { bytes, etag });
      server.mischief.push(cut(100_000));
      await get();
      assert.ok(readFileSync(target).equals(bytes));
      assert.deepEqual(ranges(), ['bytes=0-', 'bytes=0-']);
    }
  });

  test('starts again without ranges', async () => {
    server.files.set('/a.tar', { bytes, ranges: false });
    server.mischief.push(cut(100_000));
    await get();
    assert.ok(readFileSync(target).equals(bytes));
  });

  test('is given up after so many failures, with what has arrived kept', async () => {
    server.mischief.push(cut(50_000));
    for (let i = 0; i < 5; ++i) server.mischief.push(hangUp);
    const { message } = await refusal();
    assert.match(
      message,
      /3 times in a row: check the address and the connection, what has arrived is kept$/,
    );
    assert.ok(readFileSync(`${target}.part`).length > 0);
    assert.equal(server.requests.length, 3);
  });

  test('a server that falls silent counts as one', async () => {
    const silent =
      (count: number): Mischief =>
      (_request, response) => {
        response.writeHead(206, {
          etag: '"v1"',
          'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}`,
          'content-length': bytes.length,
        });
        response.write(bytes.subarray(0, count));
        return true;
      };
    server.mischief.push(silent(10_000));
    await get({ idle: 200 });
    assert.ok(readFileSync(target).equals(bytes));
    rmSync(target);
    server.mischief.push(
      () => true,
      () => true,
    );
    assert.match((await refusal({ idle: 100, attempts: 2 })).message, /received nothing for 0\.1 s, 2 times/);
  });
});

describe('a file that changes', () => {
  const other = Buffer.from(bytes.map((byte) => byte ^ 0xff));

  /** Cuts the first version, then puts another one into its place. */
  function change(etag: string, size = other.length): void {
    server.mischief.push((request, response) => {
      const answered = cut(100_000)(request, response);
      server.files.set('/a.tar', { bytes: other.subarray(0, size), etag });
      return answered;
    });
  }

  test('starts again: the server answers If-Range with all of it', async () => {
    change('"v2"');
    await get();
    assert.ok(readFileSync(target).equals(other));
    assert.equal(JSON.parse(readFileSync(`${target}.json`, 'utf8')).validator, '"v2"');
  });

  test('starts again where the server does not heed If-Range', async () => {
    change('"v2"');
    server.mischief.push((request) => {
      delete request.headers['if-range'];
      return false;
    });
    await get();
    assert.ok(readFileSync(target).equals(other));
    assert.equal(ranges().at(-1), 'bytes=0-');
  });

  test('starts again where it is shorter than what has arrived', async () => {
    change('"v2"', 1000);
    server.mischief.push((request) => {
      delete request.headers['if-range'];
      return false;
    });
    await get();
    assert.ok(readFileSync(target).equals(other.subarray(0, 1000)));
  });

  test('a part of another address, or of unknown origin, is not gone on with', async () => {
    writeFileSync(`${target}.part`, 'something else');
    const origins = [
      '',
      '{"url',
      JSON.stringify({ url: 'http://elsewhere/', validator: '"v1"', size: 300_000 }),
    ];
    for (const origin of origins) {
      rmSync(target, { force: true });
      writeFileSync(`${target}.part`, 'something else');
      writeFileSync(`${target}.json`, origin);
      await get();
      assert.ok(readFileSync(target).equals(bytes));
    }
    assert.deepEqual(ranges(), ['bytes=0-', 'bytes=0-', 'bytes=0-']);
  });

  test('a part that has all bytes needs no further request', async () => {
    writeFileSync(`${target}.part`, bytes);
    const origin = { url: `${server.url}/a.tar`, validator: '"v1"', size: bytes.length };
    writeFileSync(`${target}.json`, JSON.stringify(origin));
    await get();
    assert.ok(readFileSync(target).equals(bytes));
    assert.equal(server.requests.length, 0);
  });
});

describe('a server that says something wrong', () => {
  test('fewer bytes than announced, again and again', async () => {
    const lying: Mischief = (_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-999/300000' }).end(bytes.subarray(0, 1000));
      return true;
    };
    server.mischief.push(lying, lying, lying);
    assert.match(
      (await refusal()).message,
      /received 1000 of 300000 bytes, 3 times in a row: try again later/,
    );
  });

  test('more bytes than the file should have', async () => {
    server.mischief.push((_request, response) => {
      response
        .writeHead(206, { etag: '"v1"', 'content-range': 'bytes 0-99/100' })
        .end(bytes.subarray(0, 1000));
      return true;
    });
    const { message } = await refusal({ attempts: 1 });
    assert.match(message, /received \d+ of 100 bytes/);
    await get();
    assert.ok(readFileSync(target).equals(bytes), 'nothing of it stays');
  });

  test('a range that nobody asked for', async () => {
    for (const range of ['bytes 5-299999/300000', 'bytes 0-9/*', 'nonsense', '']) {
      server.mischief.push((_request, response) => {
        response.writeHead(206, range ? { 'content-range': range } : {}).end('x');
        return true;
      });
      assert.match((await refusal({ attempts: 1 })).message, /a range that was not asked for/);
    }
  });
});

describe('errors name address, status and cure', () => {
  const cases: [number, RegExp][] = [
    [404, /404 Not Found: correct the address/],
    [410, /410 Gone: correct the address/],
    [403, /403 Forbidden: use an address that needs no login/],
    [401, /401 Unauthorized: use an address/],
    [416, /an empty file: take it out/],
  ];
  for (const [status, expected] of cases) {
    test(`${status} is asked for once`, async () => {
      server.mischief.push(refuseWith(status));
      assert.match((await refusal()).message, expected);
      assert.equal(server.requests.length, 1);
    });
  }

  test('500 and 503 as often as attempts allow', async () => {
    server.mischief.push(refuseWith(500), refuseWith(503), refuseWith(500));
    assert.match((await refusal()).message, /500 Internal Server Error, 3 times in a row: try again later/);
  });

  test('nobody listens', async () => {
    await assert.rejects(fetchFile('http://127.0.0.1:1/x.tar', target, { attempts: 2, pause: 1 }), {
      code: 'HD_DATA_FETCH',
      message: /127\.0\.0\.1:1\/x\.tar but received '.+', 2 times in a row: check the address/,
    });
  });

  test('a disk that does not take it, at once', async () => {
    await assert.rejects(fetchFile(`${server.url}/a.tar`, join(folder, 'none/a.tar'), hasty), {
      code: 'HD_DATA_FETCH',
      message: /when it was written: make room/,
    });
    assert.equal(server.requests.length, 1);
  });

  test('what an address carries behind its "?" may be secret', async () => {
    assert.equal(shownUrl('https://x.org/a.tar?signature=abc'), 'https://x.org/a.tar?…');
    await assert.rejects(fetchFile(`${server.url}/none.tar?key=secret`, target, hasty), (error: HdError) => {
      assert.ok(!error.message.includes('secret') && !error.where.includes('secret'));
      return true;
    });
  });
});

describe('the caller can end it', () => {
  test('by its signal, also between attempts', async () => {
    const abort = new AbortController();
    server.mischief.push(refuseWith(503));
    const going = get({ signal: abort.signal, pause: 60_000 });
    setTimeout(() => abort.abort(new HdError('HD_DATA_TEST', 'enough')), 50);
    await assert.rejects(going);
    await assert.rejects(get({ signal: abort.signal }), { code: 'HD_DATA_TEST' });
    assert.equal(server.requests.length, 1);
  });

  test('by what onProgress throws, with what has arrived kept', async () => {
    const full = new HdError('HD_DATA_TEST', 'full');
    await assert.rejects(
      get({
        onProgress: (done) => {
          if (done > 0) throw full;
        },
      }),
      full,
    );
    assert.equal(server.requests.length, 1);
    await get();
    assert.ok(readFileSync(target).equals(bytes));
    assert.match(server.requests[1]?.range ?? '', /^bytes=[1-9]/);
  });
});
