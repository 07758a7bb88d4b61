/** No durable record, no certificate: a state_dir that is full or read-only, and the daemon that works again when there is room. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fetchStatus } from '../../src/control/client.ts';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import type { TrailRecord } from '../../src/trail/record.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { mustRun, run } from '../support/process.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, jumpingClock, type Means, newestRefusal, startFar } from './fault-rig.ts';

const missing = sshdMissing();
let lab: LabOpenBao;
let far: Far;
let requests: string[];
/** A file system of 512 KiB, or why there is none. */
let small: string;
let noMount: string | undefined;

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({
    roles: { [JIT_ROLE]: jitRole(['*']) },
    intercept: async ({ path }) => {
      requests.push(path);
      return undefined;
    },
  });
  far = await startFar([lab.caPublicKey]);
  small = far.directory.join('small');
  await mustRun('mkdir', ['-m', '700', small]);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=700', 'warden-test', small]);
  if (mounted.code !== 0) noMount = `no file system of its own can be mounted: ${mounted.stderr.trim()}`;
});
beforeEach((context) => {
  requests = [];
  const reason = missing ?? noMount;
  if (reason !== undefined) context.skip(reason);
});
afterAll(async () => {
  if (missing === undefined && noMount === undefined) await mustRun('umount', [small]);
  await far?.remove();
  await lab?.stop();
});

function startIn(stateDir: string): Promise<Warden> {
  return startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: {
      web: { hosts: [`[127.0.0.1]:${far.sshd.port}`], logins: [far.sshd.user], role: JIT_ROLE },
    },
    principals: [far.sshd.user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    stateDir,
    clock: jumpingClock(),
  });
}

const signs = () => requests.filter((path) => path.startsWith('ssh/sign/')).length;

/** Each certificate in sshd's log has a result in the trail, with an intent before it. */
function expectAllRecorded(records: readonly TrailRecord[]): void {
  for (const { certificate } of far.sshd.logins()) {
    if (certificate === undefined) continue;
    const result = records.find(({ cert }) => cert?.serial === certificate.serial.toString());
    expect(result).toMatchObject({ event: 'cert.issued', phase: 'result', outcome: 'ok' });
    expect(records.filter(({ corr }) => corr === result?.corr)[0]).toMatchObject({ phase: 'intent' });
  }
}

describe('state_dir', () => {
  test('is full, and has room again', async () => {
    const warden = await startIn(small);
    try {
      expect(await far.login(warden.socket)).toBe('certificate');
      const filler = `${small}/filler`;
      await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096', 'count=512']);
      // What is left of the trail's last page is used up first, and the reserve is there until then.
      let means: Means = 'certificate';
      for (let asked = -1; asked < signs() && asked < 20; ) {
        asked = signs();
        means = await far.login(warden.socket);
      }
      // The intent comes first: at the end OpenBao is not even asked.
      expect(means).toBe('key');
      expect(await newestRefusal(warden)).toMatchObject({
        code: 'trail_unwritable',
        message: expect.stringContaining('the disk is full'),
        hint: expect.stringContaining('free space'),
      });
      // The last words: that it is full, and who was refused for it.
      expect(warden.trail().map(({ event }) => event)).toContain('trail.disk_full');
      expect(warden.trail().at(-1)).toMatchObject({
        event: 'agent.bind_refused',
        error_code: 'trail_unwritable',
      });
      const asked = signs();
      expect(await far.login(warden.socket)).toBe('key');
      expect(signs()).toBe(asked);
      rmSync(filler);
      expect(await far.login(warden.socket)).toBe('certificate');
      expectAllRecorded(warden.trail());
      expect((await warden.cli(['audit', 'verify'])).code).toBe(0);
    } finally {
      await warden.remove();
    }
  });

  test('is read-only when the daemon starts', async () => {
    await mustRun('mount', ['-o', 'remount,ro', small]);
    const warden = await startIn(small);
    try {
      expect(await far.login(warden.socket)).toBe('key');
      expect(await newestRefusal(warden)).toMatchObject({
        code: 'trail_unwritable',
        message: expect.stringContaining('read-only'),
      });
      expect(signs()).toBe(0);
      await mustRun('mount', ['-o', 'remount,rw', small]);
      expect(await far.login(warden.socket)).toBe('certificate');
      expectAllRecorded(warden.trail());
    } finally {
      await warden.remove();
    }
  });

  test('is a file: a pure relay that says so', async () => {
    const file = far.directory.join('not-a-directory');
    writeFileSync(file, '');
    const warden = await startIn(file);
    try {
      expect((await fetchStatus([warden.controlSocket])).relay_only).toContain(file);
      expect(await far.login(warden.socket)).toBe('key');
    } finally {
      await warden.remove();
    }
  });
});
