/**
 * The sentences of errors, read from the sources: what stands behind a code, as one string or as its parts. Numbers and
 * names in it become …; a sentence that is made elsewhere (in a variable, by a helper) is not seen.
 */

/** Sentences by code, in the order of the text, each once. `code` stands in quotes, a comma and its sentence behind it. */
export function sentencesOf(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const match of text.matchAll(/["'](HD_[A-Z][A-Z0-9_]*[A-Z0-9])["'],\s*/g)) {
    const sentence = new Reader(text, match.index + match[0].length).argument();
    // A whole sentence, not a part that a helper puts into one.
    if (sentence === null || !/^(expected|cannot|no |out of) ?.* .*/.test(sentence)) continue;
    const code = match[1] as string;
    const list = found.get(code) ?? [];
    if (!list.includes(sentence)) found.set(code, [...list, sentence]);
  }
  return found;
}

const escapes: Record<string, string> = { n: ' ', t: ' ' };

/** Walks one argument of a call, in C++ or TypeScript. */
class Reader {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  /** The sentence that begins here: text, `concat(…)` or a sum of both. Null when it is none. */
  argument(): string | null {
    if (this.#text.startsWith('concat(', this.#at)) {
      this.#at += 'concat('.length;
      return tidy(this.#parts(')'));
    }
    return /["'`]/.test(this.#text[this.#at] ?? '') ? tidy(this.#parts(',)}')) : null;
  }

  /** Texts and, for anything else, …, up to one of `ends` outside of brackets. In concat, commas part them. */
  #parts(ends: string): string {
    let out = '';
    let depth = 0;
    for (; this.#at < this.#text.length; ++this.#at) {
      const c = this.#text[this.#at] as string;
      if (depth === 0 && ends.includes(c)) break;
      if (depth === 0 && /["'`]/.test(c)) {
        out += this.#quoted(c);
      } else if ('([{'.includes(c)) {
        ++depth;
        out += '…';
      } else if (')]}'.includes(c)) {
        --depth;
      } else if (/["'`]/.test(c)) {
        this.#quoted(c);
      } else if (!/[\s,+]/.test(c)) {
        out += '…';
      }
    }
    return out;
  }

  /** The text of a literal whose opening quote is here; leaves the place at the closing one. */
  #quoted(quote: string): string {
    let out = '';
    for (++this.#at; this.#at < this.#text.length && this.#text[this.#at] !== quote; ++this.#at) {
      const c = this.#text[this.#at] as string;
      if (c === '\\') {
        const next = this.#text[++this.#at] ?? '';
        out += escapes[next] ?? next;
      } else if (quote === '`' && this.#text.startsWith('${', this.#at)) {
        this.#at += 2;
        this.#parts('}');
        out += '…';
      } else {
        out += c;
      }
    }
    return out;
  }
}

function tidy(text: string): string {
  return text
    .replace(/…[…\s]*…/g, '…')
    .replace(/\s+/g, ' ')
    .trim();
}
