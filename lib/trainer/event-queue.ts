/**
 * Events pushed by one side, iterated by the other. While nobody iterates, yet or any more, the newest are kept for whoever
 * does later, without progress; whoever iterates gets all. Of several that iterate at once, each event goes to one.
 */
export class EventQueue<Event extends { type: string }> implements AsyncIterable<Event> {
  #events: Event[] = [];
  #ended = false;
  #failure: unknown;
  #waiting: (() => void)[] = [];
  #readers = 0;

  /** @param limit events that are kept while nobody iterates */
  constructor(readonly limit = 10_000) {}

  push(event: Event): void {
    if (event.type === 'progress' && this.#readers === 0) return;
    this.#events.push(event);
    if (this.#readers === 0) this.#events.splice(0, this.#events.length - this.limit);
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
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Event> {
    this.#readers += 1;
    try {
      yield* this.#all();
    } finally {
      this.#readers -= 1;
    }
  }

  async *#all(): AsyncGenerator<Event> {
    while (true) {
      const event = this.#events.shift();
      if (event) {
        yield event;
      } else if (this.#ended) {
        if (this.#failure !== undefined) throw this.#failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
        });
      }
    }
  }
}
