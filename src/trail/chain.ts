/** The chain: bodies become lines, each of which holds the hash of the one before. Pure. */
import { bootId } from '../system/boot.ts';
import type { Clock } from '../system/clock.ts';
import { ulid } from '../system/ids.ts';
import type { Head } from './head.ts';
import { lineHash } from './record.ts';

/** What a record became: its place in the chain. */
export interface AppendedRecord {
  readonly seq: number;
  readonly id: string;
  readonly ts: string;
  /** SHA-256 of the line, hex. */
  readonly hash: string;
}

/** The bodies as the lines after `head`: their bytes, their places, and the head that they make once they are written. */
export function chainLines(head: Head, bodies: readonly string[], clock: Clock) {
  const appended: AppendedRecord[] = [];
  const now = clock.now();
  const ts = new Date(now).toISOString();
  const mono = clock.monotonicNs();
  let { seq, hash } = head;
  let line = '';
  let text = '';
  for (const body of bodies) {
    seq += 1;
    const id = ulid(now);
    line = `{"v":1,"seq":${seq},"id":"${id}","ts":"${ts}","mono_ns":"${mono}","boot_id":"${bootId()}",${body},"prev":"${hash}"}`;
    hash = lineHash(line);
    text += `${line}\n`;
    appended.push({ seq, id, ts, hash });
  }
  const bytes = Buffer.from(text);
  const next: Head =
    bodies.length === 0 ? head : { seq, hash, line: Buffer.from(`${line}\n`), end: head.end + bytes.length };
  return { bytes, appended, next };
}
