/** A trail's file with one thing changed, by a seed: bits, bytes, lines removed, doubled, moved, cut tails, whole blocks. */
import { gunzipSync, gzipSync } from 'node:zlib';

/** Mulberry32: the same numbers for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed + 0x9e3779b9;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const LINES = ['removed', 'doubled', 'swapped', 'moved to the end'] as const;

/** Never the same bytes. `whole` has at least three lines, all different. */
export function corrupt(whole: Buffer, seed: number): { readonly bytes: Buffer; readonly what: string } {
  const pick = random(seed);
  const at = pick(whole.length);
  switch (pick(6)) {
    case 0: {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
      return { bytes, what: `a bit of byte ${at}` };
    }
    case 1: {
      const end = Math.min(whole.length, at + 1 + pick(2_000));
      return {
        bytes: Buffer.concat([whole.subarray(0, at), whole.subarray(end)]),
        what: `bytes ${at} to ${end} removed`,
      };
    }
    case 2: {
      const noise = Buffer.from(Array.from({ length: 1 + pick(50) }, () => pick(256)));
      return {
        bytes: Buffer.concat([whole.subarray(0, at), noise, whole.subarray(at)]),
        what: `noise at ${at}`,
      };
    }
    case 3:
      return { bytes: whole.subarray(0, at), what: `cut at ${at}` };
    default: {
      const lines = whole.toString('latin1').split('\n').slice(0, -1);
      const index = pick(lines.length - 1);
      const line = lines[index] ?? '';
      const how = LINES[pick(LINES.length)] ?? 'removed';
      if (how === 'removed') lines.splice(index, 1);
      else if (how === 'doubled') lines.splice(index, 0, line);
      else if (how === 'swapped') lines.splice(index, 2, lines[index + 1] ?? '', line);
      else lines.push(...lines.splice(index, 1));
      return {
        bytes: Buffer.from(lines.map((each) => `${each}\n`).join(''), 'latin1'),
        what: `line ${index + 1} ${how}`,
      };
    }
  }
}

/** What a file holds, unpacked; undefined where it can't be. */
function contentOf(name: string, bytes: Buffer | undefined): Buffer | undefined {
  if (bytes === undefined || !name.endsWith('.gz')) return bytes;
  try {
    return gunzipSync(bytes);
  } catch {
    return undefined;
  }
}

export interface Corruption {
  readonly what: string;
  /** Files that are other than before; undefined: gone. */
  readonly changed: ReadonlyMap<string, Buffer | undefined>;
  /** Whether the lines are the same all the same: a byte of the packed form that says nothing about them. */
  readonly harmless: boolean;
}

/** One thing changed in a trail of several files, by a seed: a file gone, two in each other's place, or one changed as above. */
export function corruptSegments(files: ReadonlyMap<string, Buffer>, seed: number): Corruption {
  const pick = random(seed ^ 0x5e9);
  const names = [...files.keys()];
  const name = names[pick(names.length)] ?? '';
  const bytes = files.get(name) ?? Buffer.alloc(0);
  const same = (changed: Buffer) =>
    contentOf(name, changed)?.equals(contentOf(name, bytes) ?? changed) === true;
  switch (pick(10)) {
    case 0:
      return { what: `${name} gone`, changed: new Map([[name, undefined]]), harmless: false };
    case 1: {
      const other = names[(names.indexOf(name) + 1 + pick(names.length - 1)) % names.length] ?? '';
      // Each in its own form.
      const put = (into: string, from: string): [string, Buffer] => {
        const content = contentOf(from, files.get(from)) ?? Buffer.alloc(0);
        return [into, into.endsWith('.gz') ? gzipSync(content) : content];
      };
      return {
        what: `${name} and ${other} in each other's place`,
        changed: new Map([put(name, other), put(other, name)]),
        harmless: false,
      };
    }
    case 2:
    case 3:
    case 4: {
      const made = corrupt(contentOf(name, bytes) ?? bytes, seed);
      const packed = name.endsWith('.gz') ? gzipSync(made.bytes) : made.bytes;
      return { what: `${name}: ${made.what}`, changed: new Map([[name, packed]]), harmless: same(packed) };
    }
    default: {
      const at = pick(bytes.length);
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << pick(8));
      const cut = bytes.subarray(0, at);
      const changed = pick(2) === 0 ? flipped : cut;
      return { what: `${name} at ${at}`, changed: new Map([[name, changed]]), harmless: same(changed) };
    }
  }
}
