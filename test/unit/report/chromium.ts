/// <reference lib="dom" />
/** The system's Chromium, and what every page must keep: no errors, no requests to strangers, readable by everybody. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { type Browser, chromium, type Page } from 'playwright-core';

const executablePath = process.env.HDTRAIN_CHROMIUM ?? '/usr/bin/chromium';

/** For node:test: why browser tests cannot run here, or false. CI may not do without. */
export const noBrowser =
  existsSync(executablePath) || process.env.CI === 'true'
    ? false
    : `NOT RUN, no browser in ${executablePath}: sudo apt-get install -y chromium, or set HDTRAIN_CHROMIUM`;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface Watched {
  page: Page;
  /** Errors of scripts, of the console and of the content security policy. */
  errors: string[];
  /** Addresses that were asked for. */
  requests: string[];
}

export async function openPage(browser: Browser, colorScheme: 'light' | 'dark' = 'light'): Promise<Watched> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(60_000);
  const [errors, requests]: [string[], string[]] = [[], []];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  page.on('request', (request) => requests.push(request.url()));
  return { page, errors, requests };
}

/** What keeps somebody out, in the words of WCAG where it has some; empty when nothing does. */
export async function barriers(page: Page): Promise<string[]> {
  // The compiler of the tests names functions by a helper that the page does not have.
  await page.evaluate('globalThis.__name = (value) => value');
  return page.evaluate(() => {
    const found: string[] = [];
    const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)];
    const labelled = (element: Element) =>
      [element.getAttribute('aria-label'), element.getAttribute('alt'), element.textContent]
        .concat(
          (element.getAttribute('aria-labelledby') ?? '')
            .split(' ')
            .map((id) => document.getElementById(id)?.textContent ?? ''),
          [...element.querySelectorAll('img')].map(({ alt }) => alt),
        )
        .some((text) => (text ?? '').trim() !== '');
    const tell = (what: string, element: Element) =>
      found.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
    if (!document.documentElement.lang) found.push('no language');
    if (document.title === '') found.push('no title');
    for (const one of ['main', 'h1']) if (all(one).length !== 1) found.push(`${all(one).length} × ${one}`);
    for (const element of all('img')) if (!element.hasAttribute('alt')) tell('picture without alt', element);
    for (const element of all(
      'a[href],button,summary,input,select,progress,[role=img],[role=region],[role=group],section,nav',
    ))
      if (!labelled(element)) tell('no name', element);
    for (const element of all('th'))
      if (!element.hasAttribute('scope')) tell('heading of no row or column', element);
    for (const element of all('table'))
      if (!element.querySelector('caption')) tell('table without caption', element);
    const ids = all('[id]').map(({ id }) => id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`id twice: ${id}`);
    for (const element of all('a[href^="#"]'))
      if (!document.getElementById((element.getAttribute('href') ?? '').slice(1)))
        tell('leads nowhere', element);
    let level = 1;
    for (const element of all('h1,h2,h3,h4')) {
      const next = Number(element.tagName[1]);
      if (next > level + 1) tell('a level of headings is left out', element);
      level = next;
    }
    for (const element of all('*')) {
      const style = getComputedStyle(element);
      const scrolls =
        /auto|scroll/.test(style.overflowX + style.overflowY) &&
        element.scrollWidth > element.clientWidth + 1;
      if (scrolls && element.tabIndex < 0) tell('cannot be scrolled by keyboard', element);
    }
    if (document.documentElement.scrollWidth > innerWidth + 1) found.push('the page itself scrolls sideways');

    // Contrast of text with what lies behind it, colours mixed by a canvas as the browser does.
    const canvas = document
      .createElement('canvas')
      .getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
    const rgb = (layers: string[]) => {
      canvas.clearRect(0, 0, 1, 1);
      for (const layer of layers) {
        canvas.fillStyle = layer;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (colour: number[]) => {
      const [r = 0, g = 0, b = 0] = colour
        .map((c) => c / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const seen = new Set<string>();
    for (const element of all('body *')) {
      const text = [...element.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
      );
      if (!text || element.closest('script,style,.skip') || element.getClientRects().length === 0) continue;
      const layers: string[] = [];
      for (let at: Element | null = element; at; at = at.parentElement)
        layers.unshift(getComputedStyle(at).backgroundColor);
      layers.unshift('white');
      const style = getComputedStyle(element);
      const ink = element instanceof SVGElement ? style.fill : style.color;
      const key = [...layers, ink].join();
      if (seen.has(key)) continue;
      seen.add(key);
      const [high = 0, low = 0] = [luminance(rgb(layers)), luminance(rgb([...layers, ink]))].sort(
        (a, b) => b - a,
      );
      const ratio = (high + 0.05) / (low + 0.05);
      if (ratio < 4.5) tell(`contrast ${ratio.toFixed(2)}`, element);
    }
    return found;
  });
}

/** Nothing went wrong, nobody was asked, nobody is kept out. */
export async function assertGood({ page, errors, requests }: Watched, allowed: RegExp): Promise<void> {
  assert.deepEqual(errors, []);
  assert.deepEqual(
    requests.filter((url) => !url.startsWith('data:') && !allowed.test(url)),
    [],
  );
  assert.deepEqual(await barriers(page), []);
}
