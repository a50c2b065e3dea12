/** A server of files that misbehaves as it is told, and tar shards to serve. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What one request gets; undefined: as a good server would. */
export type Mischief = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface ServedFile {
  bytes: Buffer;
  etag?: string | null;
  modified?: string;
  /** Whether it knows ranges. */
  ranges?: boolean;
}

export interface Request {
  path: string;
  range: string | undefined;
  ifRange: string | undefined;
}

export interface ShardServer {
  readonly url: string;
  readonly files: Map<string, ServedFile>;
  /** All requests so far. */
  readonly requests: Request[];
  /** Each is asked once, in this order; one that returns true has answered. */
  readonly mischief: Mischief[];
  close(): Promise<void>;
}

export async function serveShards(): Promise<ShardServer> {
  const files = new Map<string, ServedFile>();
  const requests: Request[] = [];
  const mischief: Mischief[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.push({
      path,
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
    });
    if (mischief.shift()?.(request, response)) return;
    const file = files.get(path.split('?')[0] ?? path);
    if (!file) {
      response.writeHead(404).end('nothing here');
      return;
    }
    answer(file, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    requests,
    mischief,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(file: ServedFile, request: IncomingMessage, response: ServerResponse): void {
  const { bytes, etag = '"v1"', modified, ranges = true } = file;
  const validators = { ...(etag && { etag }), ...(modified && { 'last-modified': modified }) };
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const condition = request.headers['if-range'];
  const same = condition === undefined || condition === etag || condition === modified;
  if (!ranges || start === undefined || !same) {
    response.writeHead(200, { ...validators, 'content-length': bytes.length }).end(bytes);
    return;
  }
  const at = Number(start);
  if (at >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  response
    .writeHead(206, {
      ...validators,
      'content-length': bytes.length - at,
      'content-range': `bytes ${at}-${bytes.length - 1}/${bytes.length}`,
    })
    .end(bytes.subarray(at));
}

/**
 * Answers as a good server, but the connection ends after `count` bytes of the content: once `arrived` says that so many
 * bytes of the file are there, since what is on its way when a connection breaks is lost.
 */
export function cutAfter(
  files: ShardServer['files'],
  count: number,
  arrived: (bytes: number) => boolean,
): Mischief {
  return (request, response) => {
    const file = files.get(request.url ?? '');
    if (!file) return false;
    const at = file.ranges === false ? 0 : Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    const left = file.bytes.length - at;
    response.writeHead(at > 0 || file.ranges !== false ? 206 : 200, {
      ...(file.etag !== null && { etag: file.etag ?? '"v1"' }),
      ...(file.modified && { 'last-modified': file.modified }),
      'content-length': left,
      ...(file.ranges !== false && {
        'content-range': `bytes ${at}-${file.bytes.length - 1}/${file.bytes.length}`,
      }),
    });
    response.write(file.bytes.subarray(at, at + count));
    const timer = setInterval(() => {
      if (!response.destroyed && !arrived(at + count)) return;
      clearInterval(timer);
      response.destroy();
    }, 5);
    return true;
  };
}

/** Answers with this status and nothing else. */
export function refuseWith(status: number, headers: Record<string, string> = {}): Mischief {
  return (_request, response) => {
    response.writeHead(status, headers).end();
    return true;
  };
}

/** A tar file as `tar cf` writes it. */
export function tarOf(members: Record<string, Buffer | string>): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, given] of Object.entries(members)) {
    const content = Buffer.from(given as string);
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write('0', 156);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
