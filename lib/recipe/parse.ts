/**
 * YAML text → source tree. Plain data only: no tags beyond the core ones, no merge keys, no second document, bounded
 * aliases, depth and size. js-yaml parses to events that carry offsets; this file composes the tree from them, which is
 * what keeps a line for every key and value.
 */
import {
  boolCoreTag,
  constructFromEvents,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  NOT_RESOLVED,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  YAMLException,
} from 'js-yaml';
import { type Problem, problem, show } from './problem.ts';
import {
  type ListNode,
  type MapEntry,
  type MapNode,
  maxDepth,
  type Origin,
  type Path,
  type Scalar,
  type Source,
  type SourceNode,
} from './source.ts';

/** Bounds on hostile text. `nodes` counts what aliases repeat. */
export const limits = { bytes: 1_000_000, aliases: 100, depth: maxDepth, nodes: 100_000 } as const;

export interface ParsedRecipe {
  /** Undefined when the text is not YAML at all; then there are problems. An empty text is an empty map. */
  root: SourceNode | undefined;
  problems: Problem[];
}

/** Parses one document. Never throws; whatever is wrong is in `problems`. */
export function parseRecipe(text: string, source: Source): ParsedRecipe {
  const positions = new Positions(text, source);
  const problems: Problem[] = [];
  try {
    const events = parseEvents(text, { maxDepth: limits.depth });
    return { root: new Composer(text, events, positions, problems).document(), problems };
  } catch (error) {
    if (error instanceof Refusal) problems.push(error.problem);
    else problems.push(syntaxProblem(error as Error, positions));
    return { root: undefined, problems };
  }
}

/** A plain scalar as YAML 1.2 types it: `1e-3` is a number, `no` a text, nothing at all is null. */
export function resolveScalar(text: string): Scalar {
  for (const tag of [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag]) {
    const value = tag.resolve(text, false, tag.tagName);
    if (value !== NOT_RESOLVED) return value;
  }
  return text;
}

/** A scalar of `text`, with its tag if it has one. Throws when the tag is none of YAML's own or does not fit. */
function constructScalar(text: string, event: ScalarEvent): Scalar {
  if (event.tagStart < 0) {
    const value = getScalarValue(text, event);
    return event.style === SCALAR_STYLE.PLAIN ? resolveScalar(value) : value;
  }
  const document: Event = {
    type: EVENT_ID.DOCUMENT,
    explicitStart: false,
    explicitEnd: false,
    directives: [],
  };
  return constructFromEvents([document, event, { type: EVENT_ID.POP }], { source: text })[0] as Scalar;
}

/** Offsets → lines and columns. */
class Positions {
  private readonly starts = [0];

  constructor(
    private readonly text: string,
    readonly source: Source,
  ) {
    for (const match of text.matchAll(/\r\n|\n|\r/g)) this.starts.push(match.index + match[0].length);
  }

  at(offset: number): Origin {
    const inside = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] as number) <= inside) low = middle;
      else high = middle - 1;
    }
    return { source: this.source, line: low + 1, column: inside - (this.starts[low] as number) + 1 };
  }
}

/** Stops the composition: the rest of the text would only repeat it or cannot be trusted. */
class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

function syntaxProblem(error: Error, positions: Positions): Problem {
  const reason = error instanceof YAMLException ? error.reason : error.message;
  const at = positions.at(error instanceof YAMLException ? (error.mark?.position ?? 0) : 0);
  const deep = reason.includes('maxDepth');
  return problem({
    code: deep ? 'HD_RECIPE_LIMIT' : 'HD_RECIPE_SYNTAX',
    expected: deep ? `at most ${limits.depth} levels` : 'valid YAML',
    path: [],
    received: deep ? 'deeper nesting' : `something else in column ${at.column}`,
    at,
    cure: deep ? undefined : reason,
  });
}

class Composer {
  private next = 0;
  private aliases = 0;
  private nodes = 0;
  private readonly anchors = new Map<string, { node: SourceNode; nodes: number }>();

  constructor(
    private readonly text: string,
    private readonly events: readonly Event[],
    private readonly positions: Positions,
    private readonly problems: Problem[],
  ) {}

  document(): SourceNode {
    const empty: SourceNode = { kind: 'map', entries: new Map(), at: this.positions.at(0) };
    if (this.events.length === 0) return empty;
    this.next = 1;
    const root = this.peek().type === EVENT_ID.POP ? empty : this.node([]);
    const another = this.events[this.next + 1];
    if (another) {
      this.problems.push(
        problem({
          code: 'HD_RECIPE_SYNTAX',
          expected: 'one document',
          path: [],
          received: 'several',
          at: root.at,
          cure: "remove what follows the second '---'",
        }),
      );
    }
    const blank = root.kind === 'scalar' && root.value === null;
    return blank ? empty : root;
  }

  private peek(): Event {
    return this.events[this.next] as Event;
  }

  private node(path: Path): SourceNode {
    const event = this.peek();
    this.next++;
    if (event.type === EVENT_ID.ALIAS) return this.alias(event.anchorStart, event.anchorEnd, path);
    const before = this.nodes;
    this.count(
      1,
      event.type === EVENT_ID.SCALAR ? event.valueStart : (event as { start: number }).start,
      path,
    );
    let node: SourceNode;
    if (event.type === EVENT_ID.SCALAR) node = this.scalar(event, path);
    else if (event.type === EVENT_ID.SEQUENCE) node = this.list(event.start, path);
    else if (event.type === EVENT_ID.MAPPING) node = this.map(event.start, path);
    else throw new Error('a node was expected');
    if (event.type !== EVENT_ID.SCALAR && event.tagStart >= 0) {
      this.refuseTag(event.tagStart, event.tagEnd, path);
    }
    if (event.anchorStart >= 0) {
      const name = this.text.slice(event.anchorStart, event.anchorEnd);
      this.anchors.set(name, { node, nodes: this.nodes - before });
    }
    return node;
  }

  private scalar(event: ScalarEvent, path: Path): SourceNode {
    const at = this.positions.at(event.valueStart);
    try {
      return { kind: 'scalar', value: constructScalar(this.text, event), at };
    } catch {
      this.refuseTag(event.tagStart, event.tagEnd, path);
      return { kind: 'scalar', value: getScalarValue(this.text, event), at };
    }
  }

  private list(start: number, path: Path): ListNode {
    const items: SourceNode[] = [];
    while (this.peek().type !== EVENT_ID.POP) items.push(this.node([...path, items.length]));
    this.next++;
    return { kind: 'list', items, at: this.positions.at(start) };
  }

  private map(start: number, path: Path): MapNode {
    const entries = new Map<string, MapEntry>();
    while (this.peek().type !== EVENT_ID.POP) {
      const { name, at } = this.key(path);
      const value = this.node([...path, name]);
      const earlier = entries.get(name);
      if (name === '<<') {
        this.complain(
          'HD_RECIPE_SYNTAX',
          "a key other than '<<'",
          path,
          "the merge key '<<'",
          at,
          "use 'extends'",
        );
      } else if (earlier) {
        this.complain(
          'HD_RECIPE_DUPLICATE_KEY',
          'each key once',
          [...path, name],
          'it twice',
          at,
          `remove it here or in line ${earlier.key.line}`,
        );
      } else {
        entries.set(name, { key: at, value });
      }
    }
    this.next++;
    return { kind: 'map', entries, at: this.positions.at(start) };
  }

  private key(path: Path): { name: string; at: Origin } {
    const event = this.peek();
    if (event.type === EVENT_ID.SCALAR && event.tagStart < 0) {
      this.next++;
      this.count(1, event.valueStart, path);
      return { name: getScalarValue(this.text, event), at: this.positions.at(event.valueStart) };
    }
    const node = this.node(path);
    this.complain('HD_RECIPE_SYNTAX', 'a plain text as key', path, `a ${node.kind}`, node.at);
    return { name: `? ${this.next}`, at: node.at };
  }

  private alias(start: number, end: number, path: Path): SourceNode {
    const at = this.positions.at(start);
    const name = this.text.slice(start, end);
    if (++this.aliases > limits.aliases) {
      this.refuse('HD_RECIPE_LIMIT', `at most ${limits.aliases} aliases`, path, 'more', at, "use 'extends'");
    }
    const anchor = this.anchors.get(name);
    if (!anchor) {
      this.refuse(
        'HD_RECIPE_SYNTAX',
        `an anchor '&${name}' above`,
        path,
        `its alias '*${name}'`,
        at,
        'define it first',
      );
    }
    this.count(anchor.nodes, start, path);
    return anchor.node;
  }

  /** Counts values, repeated ones as well: aliases of aliases grow exponentially. */
  private count(nodes: number, offset: number, path: Path): void {
    this.nodes += nodes;
    if (this.nodes > limits.nodes) {
      this.refuse(
        'HD_RECIPE_LIMIT',
        `at most ${limits.nodes} values`,
        path,
        'more',
        this.positions.at(offset),
        'shorten the recipe',
      );
    }
  }

  private refuseTag(start: number, end: number, path: Path): void {
    const tag = this.text.slice(Math.max(0, start), Math.max(0, end));
    const at = this.positions.at(start);
    this.complain('HD_RECIPE_SYNTAX', 'plain data', path, `the tag ${show(tag)}`, at, 'remove the tag');
  }

  private complain(
    code: Problem['code'],
    expected: string,
    path: Path,
    received: string,
    at: Origin,
    cure?: string,
  ): void {
    this.problems.push(problem({ code, expected, path, received, at, cure }));
  }

  private refuse(
    code: Problem['code'],
    expected: string,
    path: Path,
    received: string,
    at: Origin,
    cure: string,
  ): never {
    throw new Refusal(problem({ code, expected, path, received, at, cure }));
  }
}
