/** Deadlines of what comes over sockets. In a busy turn of the loop a timer is late, and what it waits for may be there and unread. */

/** Calls `over` after `ms` milliseconds, when what has come until then has been read. Returns what ends it. */
export function deadline(ms: number, over: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(over);
  }, ms);
  return () => {
    clearTimeout(timer);
    if (immediate !== undefined) clearImmediate(immediate);
  };
}
