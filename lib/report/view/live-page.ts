/** A page whose sections change: which of them a reader does not have yet. */
import { html, type Markup } from '../html/markup.ts';
import { page, type Section, sectionMarkup } from '../html/page.ts';
import { cursorScript } from '../html/script.ts';
import { liveScript } from './live-script.ts';

/** What is sent to readers. */
export interface News {
  version: number;
  title: string;
  /** Of all sections. */
  order: string[];
  sections: { id: string; html: string }[];
}

export class LivePage {
  /** Grows with every change; begins beyond that of any server that was here before. */
  #version = Date.now();
  #sections: Section[] = [];
  /** By id: the text, and the version that brought it. */
  readonly #texts = new Map<string, { text: string; since: number }>();

  constructor(
    private readonly title: string,
    /** Path of this page's events. */
    private readonly events: string,
    private readonly make: () => Section[],
  ) {}

  /** Makes the sections anew; true when any has changed, come or gone. */
  update(): boolean {
    const before = this.#sections.map(({ id }) => id).join();
    this.#sections = this.make();
    const changed = this.#sections.filter((section) => {
      const text = sectionMarkup(section).text;
      if (this.#texts.get(section.id)?.text === text) return false;
      this.#texts.set(section.id, { text, since: this.#version + 1 });
      return true;
    });
    const same = changed.length === 0 && before === this.#sections.map(({ id }) => id).join();
    if (!same) this.#version += 1;
    return !same;
  }

  /** For a reader who has version `since`; null when there is nothing new. */
  news(since: number): News | null {
    if (since === this.#version) return null;
    return {
      version: this.#version,
      title: this.title,
      order: this.#sections.map(({ id }) => id),
      sections: this.#sections.flatMap(({ id }) => {
        const entry = this.#texts.get(id);
        return entry && entry.since > since ? [{ id, html: entry.text }] : [];
      }),
    };
  }

  document(above: Markup | null): string {
    const under = html`<p class="quiet">${above}<span id="live" role="status" data-events="${this.events}?since=${this.#version}">as of now</span></p>`;
    return page({
      title: this.title,
      scripts: [cursorScript, liveScript],
      sections: this.#sections,
      allow: "img-src 'self' data:; connect-src 'self'",
      under,
    });
  }
}
