/**
 * Shows runs in a browser, live. Listens on this machine alone, changes nothing, and gives out only its pages and the
 * pictures of the runs; another site that is opened in the same browser gets neither (Host header, CORP).
 */
import { createReadStream, realpathSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { HdError } from '../../error.ts';
import { html, type Markup } from '../html/markup.ts';
import { reportSections } from '../html/report.ts';
import { RunReader } from '../run/run-reader.ts';
import { compareSections, type NamedRun } from './compare.ts';
import { LivePage } from './live-page.ts';
import { runNames } from './runs.ts';

export interface ViewOptions {
  /** 0: any free one. Without, 8700 or the first free one after it. */
  port?: number | undefined;
  /** Milliseconds between looks at the folders, while somebody watches. */
  every?: number;
  /** Names the folders again: runs that have begun meanwhile are shown as well. */
  again?: () => readonly string[];
}

export interface View {
  url: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

const host = '127.0.0.1';
const firstPort = 8700;
const portsTried = 20;
const pictureTypes: Record<string, string> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
};

interface Reader {
  response: ServerResponse;
  /** Of the page; what stands there may change. */
  path: string;
  version: number;
}

/** The search for new runs takes at most this share of the time. */
const searchShare = 0.05;
/** Milliseconds after which it looks again, however long the last look took. */
const longestPause = 10_000;

/** @throws HdError HD_USAGE when the port is in use */
export async function serveRuns(
  folders: readonly string[],
  { port, every = 1000, again }: ViewOptions = {},
): Promise<View> {
  let runs = namedRuns(folders);
  let pages = pagesOf(runs);
  const readers = new Set<Reader>();
  let timer: NodeJS.Timeout | undefined;
  let nextSearch = performance.now() + every;

  /** Later runs stand behind the earlier ones, so that these keep their addresses and colours. */
  function search(): boolean {
    const start = performance.now();
    if (!again || start < nextSearch) return false;
    const known = runs.map(({ run }) => run.path);
    const added = foundAgain(again).filter((folder) => !known.includes(folder));
    const pause = Math.min(longestPause, (performance.now() - start) / searchShare);
    nextSearch = performance.now() + Math.max(every, pause);
    if (added.length === 0) return false;
    runs = namedRuns([...known, ...added], runs);
    pages = pagesOf(runs);
    return true;
  }

  function look(): void {
    const grown = search();
    const changed = runs.map(({ run }) => run.refresh());
    if (grown || changed.some(Boolean)) for (const page of pages.values()) page.update();
    for (const reader of readers) tell(reader, pages.get(reader.path));
  }

  function watch(path: string, since: number, response: ServerResponse): void {
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
    response.write(':\n\n'); // the reader knows that it is connected
    const reader = { response, path, version: since };
    readers.add(reader);
    timer ??= setInterval(look, every);
    response.on('close', () => {
      readers.delete(reader);
      if (readers.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    });
    look();
  }

  const server = createServer((request, response) => {
    try {
      const allowed = [`${host}:${portOf(server)}`, `localhost:${portOf(server)}`];
      if (!allowed.includes(request.headers.host ?? '')) return refuse(response, 403, 'unknown host');
      if (request.method !== 'GET') return refuse(response, 405, 'only GET');
      answer(request, response);
    } catch (error) {
      if (!response.headersSent) refuse(response, 500, (error as Error).message);
      else response.destroy();
    }
  });

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const events = /^(.*\/)events$/.exec(path)?.[1];
    const page = pages.get(events ?? path);
    if (page && events !== undefined) {
      const since = Number(request.headers['last-event-id'] ?? new URLSearchParams(query).get('since') ?? 0);
      watch(events, since, response);
    } else if (page) {
      look();
      const now = pages.get(path) ?? page;
      response.writeHead(200, { ...headers, 'Content-Type': 'text/html; charset=utf-8' });
      response.end(now.document(path === '/' ? null : back));
    } else {
      givePicture(path, response);
    }
  }

  function givePicture(path: string, response: ServerResponse): void {
    const picture = /^\/runs\/(\d+)\/(pictures\/.+)$/.exec(path);
    const run = runs[Number(picture?.[1])]?.run;
    const file = run && pictureFile(run.path, picture?.[2] ?? '');
    if (!file) {
      refuse(response, 404, 'not here');
      return;
    }
    response.writeHead(200, { ...headers, 'Content-Type': pictureTypes[extname(file).toLowerCase()] });
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
  }

  await listen(server, port);
  look();
  for (const page of pages.values()) page.update();
  return {
    url: `http://${host}:${portOf(server)}/`,
    close: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const back: Markup = html`<a href="/">all runs</a> · `;

const headers = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': "frame-ancestors 'none'",
};

/** Readers of runs that were there before are kept. */
function namedRuns(folders: readonly string[], before: readonly NamedRun[] = []): NamedRun[] {
  const names = runNames(folders);
  return folders.map((folder, i) => ({
    name: names[i] as string,
    address: folders.length === 1 ? '/' : `/runs/${i}/`,
    run: before[i]?.run ?? new RunReader(folder),
  }));
}

/** Folders that are gone meanwhile are no reason to show nothing. */
function foundAgain(again: () => readonly string[]): readonly string[] {
  try {
    return again();
  } catch {
    return [];
  }
}

/** By path: one run has `/` for itself; of several, `/` compares and each has its own. */
function pagesOf(runs: readonly NamedRun[]): Map<string, LivePage> {
  const pages = new Map<string, LivePage>();
  for (const [i, { name, address, run }] of runs.entries()) {
    const source = (file: string) => `/runs/${i}/${file.split('/').map(encodeURIComponent).join('/')}`;
    pages.set(address, new LivePage(name, `${address}events`, () => reportSections(run, source)));
  }
  if (runs.length > 1)
    pages.set('/', new LivePage(`${runs.length} runs`, '/events', () => compareSections(runs)));
  return pages;
}

function tell(reader: Reader, page: LivePage | undefined): void {
  const news = page?.news(reader.version);
  if (!news) return;
  reader.version = news.version;
  reader.response.write(`id: ${news.version}\ndata: ${JSON.stringify(news)}\n\n`);
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${why}\n`);
}

/** The file behind a path of a URL, if it is a picture that really lies in the run's pictures/; else null. */
function pictureFile(run: string, path: string): string | null {
  try {
    const root = realpathSync(join(run, 'pictures'));
    const file = realpathSync(join(run, decodeURIComponent(path)));
    const isPicture = extname(file).toLowerCase() in pictureTypes && statSync(file).isFile();
    return file.startsWith(`${root}${sep}`) && isPicture ? file : null;
  } catch {
    return null;
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

async function listen(server: Server, wanted: number | undefined): Promise<void> {
  const ports = wanted === undefined ? Array.from({ length: portsTried }, (_, i) => firstPort + i) : [wanted];
  for (const port of ports) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          resolve();
        });
      });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  const which = wanted ?? `${firstPort} to ${firstPort + portsTried - 1}`;
  throw new HdError(
    'HD_USAGE',
    `expected a free port for --port but ${which} ${wanted === undefined ? 'are all' : 'is'} in use: choose another, or 0 for any`,
  );
}
