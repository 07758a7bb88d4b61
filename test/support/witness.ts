/**
 * The two witnesses of a login, the daemon's trail and sshd's log, held against each other: what logged in is what was minted.
 * Left out: logins with plain keys, which only sshd sees.
 */
import { expect } from 'vitest';
import type { Sshd } from './sshd.ts';
import type { Warden } from './warden.ts';

export interface Witness {
  /**
   * Waits for `count` logins since the witness was called, all sshds together, and expects that there are no more, that each was
   * made with a certificate of its own, and that exactly these are the certificates that the trail says were handed out.
   * Returns their serials, those of the first sshd first.
   */
  certifiedLogins(count: number): Promise<string[]>;
  /** The trail's records since the witness was called. */
  records(): ReturnType<Warden['trail']>;
}

/** Notes what both have seen so far. */
export function watch(warden: Pick<Warden, 'trail'>, ...sshds: readonly Sshd[]): Witness {
  // A daemon writes down its own start when it gets to it: that is no login's record.
  const ofLogins = () => warden.trail().filter(({ event }) => !event.startsWith('daemon.'));
  const recordsBefore = ofLogins().length;
  const watched = sshds.map((sshd) => ({ sshd, before: sshd.logins().length }));
  const newLogins = () => watched.flatMap(({ sshd, before }) => sshd.logins().slice(before));
  const records = () => ofLogins().slice(recordsBefore);
  return {
    records,
    async certifiedLogins(count) {
      await expect.poll(() => newLogins().length, { timeout: 10_000 }).toBe(count);
      const serials = newLogins().map(({ certificate }) => String(certificate?.serial));
      expect(new Set(serials).size).toBe(count);
      const minted = records().filter(({ phase }) => phase === 'result');
      expect(minted.map(({ cert }) => cert?.serial).sort()).toEqual([...serials].sort());
      return serials;
    },
  };
}
