/** A trail's file with one thing changed, by a seed: bits, bytes, lines removed, doubled, moved, cut tails, whole blocks. */

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
