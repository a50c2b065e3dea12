/**
 * Tells, once for each, of transfers that do not move the student, and of a teacher's cache that is full: a useless weight or
 * a teacher that computes again costs hours.
 */
import type { StepEvent } from '../events.ts';
import type { Hook } from './hook.ts';

/** Reports that must all be below the bound before anything is said. */
const patience = 5;
/** Share of the gradient norm that counts as nothing. */
const negligible = 0.001;

export function transferHook(warn: (message: string) => void): Hook {
  const weak = new Map<string, number>();
  const told = new Set<string>();
  return {
    name: 'transfers',
    onEvent(event) {
      if (event.type !== 'step') return;
      for (const [teacher, { cache }] of ((event as StepEvent).agreement ?? []).entries()) {
        if (!cache?.full || told.has(`cache ${teacher}`)) continue;
        told.add(`cache ${teacher}`);
        warn(
          `the cache of teacher ${teacher} is full: it computes what is not in it; raise teachers.cache.limit, or free its disk`,
        );
      }
      for (const [name, { gradient }] of Object.entries((event as StepEvent).shares ?? {})) {
        weak.set(name, gradient < negligible ? (weak.get(name) ?? 0) + 1 : 0);
        if (weak.get(name) !== patience || told.has(name)) continue;
        told.add(name);
        warn(
          `the loss term '${name}' has had less than ${100 * negligible} % of the gradient in ${patience} reports: raise its weight, or leave it out`,
        );
      }
    },
  };
}
