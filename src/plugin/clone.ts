// Copies requests for each attempt.
import { isPlainObject } from "../expression/cel.ts";

/** A copy of objects and lists to any depth. Values with a class of their own, such as input images, never change and are shared. */
export function clone<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => clone(item)) as T;
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, clone(item)])) as T;
}

/** Protects the client's request from plugins, so that every attempt starts from the same one. Class instances are immutable by themselves. */
export function freeze(value: unknown): void {
  if (!Array.isArray(value) && !isPlainObject(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}
