/** Events pushed by one side, iterated by the other. Kept until somebody iterates; progress events only while they do. */
export class EventQueue<Event extends { type: string }> implements AsyncIterable<Event> {
  #events: Event[] = [];
  #ended = false;
  #failure: unknown;
  #wake: (() => void) | null = null;
  #iterated = false;

  push(event: Event): void {
    if (event.type === 'progress' && !this.#iterated) return;
    this.#events.push(event);
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.end();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Event> {
    this.#iterated = true;
    while (true) {
      const event = this.#events.shift();
      if (event) {
        yield event;
      } else if (this.#ended) {
        if (this.#failure !== undefined) throw this.#failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
