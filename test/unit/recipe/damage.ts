/** Damaged texts for recipe tests: a function of text and generator, so that seed and index repeat one. */
import type { Random } from '../../faults/random.ts';

const pieces = [
  ...['\n', '\t', '  ', ':', ': ', '- ', '[', ']', '{', '}', ',', '"', "'", '|', '>', '#', '&x ', '*x'],
  ...[
    '!!js/function ',
    '!!binary ',
    '!!set ',
    '<<: ',
    '? ',
    '---\n',
    '...\n',
    '%YAML 9.9\n',
    '\u0000',
    '\ufeff',
  ],
  ...[
    '\ud800',
    '\u2028',
    '\\u0000',
    '~',
    'null',
    'no',
    '.nan',
    '.inf',
    '-1',
    '0',
    '1e-3',
    '1e999',
    '0x',
    '0o9',
  ],
  ...[
    '99999999999999999999',
    '9007199254740993',
    '-0.0',
    '__proto__: ',
    'constructor: ',
    'extends: a.yaml\n',
  ],
  ...['toString', '../', '/dev/zero', 'train: ', 'data: ', 'classes: ', '[[[[[[', '{a: {a: {a: '],
];

/** One to six edits: characters changed, pieces removed, repeated, moved or cut off, YAML's own symbols put in. */
export function damage(text: string, other: string, random: Random): string {
  const below = (bound: number) => Math.floor(random.next() * bound);
  let out = text;
  const edits = random.next() < 0.5 ? 1 : 1 + below(6);
  for (let i = 0; i < edits; ++i) {
    const at = below(out.length + 1);
    const length = 1 + below(random.next() < 0.1 ? out.length + 1 : 16);
    const [before, piece, after] = [out.slice(0, at), out.slice(at, at + length), out.slice(at + length)];
    const put = pieces[below(pieces.length)] as string;
    switch (below(9)) {
      case 0:
        out = before + String.fromCharCode(below(random.next() < 0.8 ? 128 : 65536)) + out.slice(at + 1);
        break;
      case 1:
        out = before + after;
        break;
      case 2:
        out = before + piece.repeat(random.next() < 0.05 ? 1 + below(2000) : 2 + below(3)) + after;
        break;
      case 3: {
        const rest = before + after;
        const to = below(rest.length + 1);
        out = rest.slice(0, to) + piece + rest.slice(to);
        break;
      }
      case 4:
      case 5:
        out = before + put + out.slice(at);
        break;
      case 6:
        out = before + put + out.slice(at + put.length);
        break;
      case 7:
        out = before + other.slice(below(other.length));
        break;
      default:
        // A value takes the place of another.
        out = out.slice(0, at) + out.slice(at).replace(/: [^\n]*/, `: ${put}`);
        break;
    }
    out = out.slice(0, 200_000);
  }
  return out;
}
