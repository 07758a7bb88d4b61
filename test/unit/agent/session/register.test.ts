import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_PEERS, MAX_SESSIONS, Register } from '../../../../agent/session/register.ts';
import { startTimeOf } from '../../../../src/system/peer.ts';

const SECOND = 1_000_000_000n;

function clockAt() {
  const clock = { ns: 0n, now: () => 0, monotonicNs: () => clock.ns };
  return clock;
}

function id(text: string | number): Buffer {
  return Buffer.from(`session ${text}`);
}

describe('sessions served', () => {
  test('are known for their time to live, and not a moment longer', () => {
    const clock = clockAt();
    const register = new Register(clock);
    expect(register.wasServed(id(1))).toBe(false);
    register.serve(id(1), 120);
    expect(register.wasServed(id(1))).toBe(true);
    expect(register.wasServed(id(2))).toBe(false);
    clock.ns = 120n * SECOND - 1n;
    expect(register.wasServed(id(1))).toBe(true);
    clock.ns += 1n;
    expect(register.wasServed(id(1))).toBe(false);
  });

  test('can be taken back, and served again', () => {
    const register = new Register(clockAt());
    register.serve(id(1), 120);
    register.release(id(1));
    expect(register.wasServed(id(1))).toBe(false);
    register.serve(id(1), 120);
    expect(register.wasServed(id(1))).toBe(true);
    register.release(id('never served'));
  });

  test('are bounded: the oldest goes first', () => {
    const register = new Register(clockAt());
    for (let i = 0; i <= MAX_SESSIONS; i += 1) register.serve(id(i), 120);
    expect([0, 1, MAX_SESSIONS].map((i) => register.wasServed(id(i)))).toEqual([false, true, true]);
  });

  test('below the bound nothing is forgotten early, whatever the times to live', () => {
    const step = fc.record({
      session: fc.nat({ max: 5 }),
      ttl: fc.integer({ min: 1, max: 9 }),
      wait: fc.nat({ max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const clock = clockAt();
        const register = new Register(clock);
        const until = new Map<number, bigint>();
        for (const { session, ttl, wait } of steps) {
          register.serve(id(session), ttl);
          until.set(session, clock.ns + BigInt(ttl) * SECOND);
          clock.ns += BigInt(wait) * SECOND;
          for (const [each, end] of until) expect(register.wasServed(id(each))).toBe(end > clock.ns);
        }
      }),
    );
  });
});

describe("a process's first session", () => {
  const me = startTimeOf(process.pid) ?? '';

  test('is its own, again and again; a second one is not', () => {
    const register = new Register(clockAt());
    expect(register.isFirstSession(process.pid, me, id(1))).toBe(true);
    expect(register.isFirstSession(process.pid, me, id(1))).toBe(true);
    expect(register.isFirstSession(process.pid, me, id(2))).toBe(false);
    expect(register.isFirstSession(process.pid, me, id(1))).toBe(true);
  });

  test('a process that reuses the pid is another one', () => {
    const register = new Register(clockAt());
    register.isFirstSession(process.pid, '1', id(1));
    expect(register.isFirstSession(process.pid, '2', id(2))).toBe(true);
  });

  test('is bounded: dead processes are forgotten, living ones are not', () => {
    const register = new Register(clockAt());
    register.isFirstSession(process.pid, me, id(1));
    for (let i = 1; i < MAX_PEERS; i += 1) register.isFirstSession(i, 'long dead', id(i));
    expect(register.isFirstSession(process.pid, 'new', id(2))).toBe(true);
    expect(register.isFirstSession(process.pid, me, id(2))).toBe(false);
  });

  test('full of living processes, nobody new is direct', () => {
    const register = new Register(clockAt(), 2);
    const parent = startTimeOf(process.ppid) ?? '';
    expect(register.isFirstSession(process.pid, me, id(1))).toBe(true);
    expect(register.isFirstSession(process.ppid, parent, id(2))).toBe(true);
    expect(register.isFirstSession(1, 'any', id(3))).toBe(false);
    expect(register.isFirstSession(process.ppid, parent, id(2))).toBe(true);
  });
});
