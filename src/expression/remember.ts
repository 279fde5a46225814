// Remembers what is costly to make.

/** The value of `key`, made where it is not there. With `most` values there, all are forgotten before one is added. */
export function remembered<Key, Value>(values: Map<Key, Value>, most: number, key: Key, make: () => Value): Value {
  const known = values.get(key);
  if (known !== undefined) return known;
  const value = make();
  if (values.size >= most) values.clear();
  values.set(key, value);
  return value;
}
