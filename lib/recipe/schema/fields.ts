/** Field kinds that several sections share. */
import { z } from 'zod';

/**
 * A file or folder. In a recipe it is relative to the recipe's file, in `--set` to the current directory; the loader
 * makes it absolute (it finds these fields by the `path` mark, which the JSON Schema keeps).
 */
export const filePath = () => z.string().min(1).meta({ path: true });

/** As a file, or the http(s) address of one, which stays as it is. */
export const filePathOrAddress = () => z.string().min(1).meta({ path: true, address: true });

/** A count of threads, slots and the like that the machine can choose. */
export const autoCount = (limit: number) => z.union([z.literal('auto'), z.int().min(1).max(limit)]);

/** A share, 0–1. */
export const fraction = () => z.number().min(0).max(1);

/**
 * The unit of a length of training: passes over the data, optimiser steps, or shares of the whole run (0–1), which
 * stay right when the run is made longer or shorter.
 */
export const timeUnit = () => z.enum(['epochs', 'steps', 'run']);

/** Which parameters: a name where `*` stands for any characters, as `backbone.layer1.*`. */
export const namePattern = () => z.string().min(1);

/** Class names in label order. */
export const classNames = () =>
  z
    .array(z.string().min(1))
    .min(1)
    .max(10000)
    .refine((names) => new Set(names).size === names.length, { error: 'a list of different class names' });
