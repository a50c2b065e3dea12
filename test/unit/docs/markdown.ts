/** The documents, and the examples that stand in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** All but the API reference, whose fences are declarations. */
export const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'bench/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && name !== 'reference/api.md')
    .sort()
    .map((name) => `docs/${name}`),
];

export const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

export interface Example {
  file: string;
  line: number;
  /** Language of the fence; `shell` for one line of a fence without a language, `span` for a command in a sentence. */
  kind: string;
  text: string;
}

/** Commands in sentences and tables; `--set a=b` as well, which belongs to any of them. */
const command = /`((?:npx|npm|node|python3) [^`]+|--set [^`]+)`/g;

export function examplesOf(file: string): Example[] {
  const examples: Example[] = [];
  let fence: Example | null = null;
  for (const [index, text] of textOf(file).split('\n').entries()) {
    const line = index + 1;
    if (text.startsWith('```')) {
      if (fence && fence.kind !== 'shell') examples.push(fence);
      fence = fence ? null : { file, line, kind: text.slice(3) || 'shell', text: '' };
    } else if (fence?.kind === 'shell') {
      const bare = withoutComment(text);
      if (bare !== '') examples.push({ file, line, kind: 'shell', text: bare });
    } else if (fence) {
      fence.text += `${text}\n`;
    } else {
      for (const [, span = ''] of text.matchAll(command))
        examples.push({ file, line, kind: 'span', text: span });
    }
  }
  return examples;
}

const withoutComment = (line: string): string => line.replace(/(^|\s)#.*$/, '').trim();

/** The words of a command line; quotes of both kinds hold together what stands in them. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
}
