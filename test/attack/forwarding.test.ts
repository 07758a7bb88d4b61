/**
 * Promise 1: a forwarded agent gets no certificate, also where the forwarding hides itself. The flag in a bind is set by the client that
 * forwards; a client that sends no bind of its own (`ssh -R` of the socket, asyncssh) lets the far side's bind arrive first and look
 * direct. On the far side here: a hostile client that asks for another covered host, and for the host that it is on.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MESSAGE } from '../../agent/protocol/messages.ts';
import type { TrailRecord } from '../../src/trail/record.ts';
import {
  asyncsshLogin,
  asyncsshMissing,
  type HostileAnswer,
  hostileClientArgv,
  parseHostileAnswer,
} from '../support/asyncssh.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { start } from '../support/process.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import { type SshOptions, ssh, sshArgv } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';

const missing = realPartsMissing();
const noAsyncssh = asyncsshMissing();
const EXTENSIONS = ['permit-pty', 'permit-port-forwarding', 'permit-agent-forwarding'];

const directory = tempDirectory();
let other: Sshd;
let plainKey: KeyFile;
let otherAgent: SshAgent;
let rig: Rig;

beforeAll(async () => {
  if (missing !== undefined) return;
  plainKey = await makeKey(directory.path, 'plain');
  otherAgent = await startSshAgent();
  await otherAgent.add(plainKey.path);
  other = await startSshd();
  const otherHosts = await writeKnownHosts(directory, other.knownHosts());
  rig = await startRig({
    sshd: { authorizedKeys: [plainKey.publicKey] },
    lane: { extensions: EXTENSIONS },
    lanes: ({ bao, sshd }) => ({
      other: { hosts: [`[127.0.0.1]:${other.port}`], logins: [sshd.user], role: bao.role },
    }),
    warden: ({ knownHosts }) => ({ knownHosts: [knownHosts, otherHosts] }),
  });
});
afterAll(async () => {
  await rig?.remove();
  await other?.stop();
  await otherAgent?.stop();
  directory.remove();
});

/** What the far side attacks: a second covered host, or once more the one that it is on. */
const TARGETS = ['another covered host', 'the same host again'] as const;
type Target = (typeof TARGETS)[number];

function attackOn(target: Target, agent?: string): string[] {
  const { port } = target === 'the same host again' ? rig.sshd : other;
  return hostileClientArgv({ port, ...(agent === undefined ? {} : { agent }) });
}

/** The records that a forwarded attack left, which has to be one refusal; the login that carried it may have a certificate of its own. */
function recordsAfter(seq: number): TrailRecord[] {
  return rig.warden.trail().filter((record) => record.seq > seq);
}

/** Runs one attack and holds it to the promise: the bind was taken, the list was empty, the trail says why. */
async function expectRefused(
  attack: () => Promise<string>,
  codes: readonly string[],
  ownMints: number,
): Promise<void> {
  const before = rig.warden.trail().at(-1)?.seq ?? 0;
  const answer: HostileAnswer = parseHostileAnswer(await attack());
  expect(answer.identities.map(({ comment }) => comment)).toEqual([]);
  expect(answer).toMatchObject({ bind: MESSAGE.success, list: MESSAGE.identitiesAnswer });
  await expect
    .poll(() => recordsAfter(before).filter(({ event }) => event === 'agent.bind_refused'))
    .toHaveLength(1);
  const records = recordsAfter(before);
  const refused = records.find(({ event }) => event === 'agent.bind_refused');
  expect(codes).toContain(refused?.error_code);
  expect(refused).toMatchObject({ phase: 'single', outcome: 'denied', caller: { uid: process.getuid?.() } });
  expect(records.filter(({ phase }) => phase === 'intent')).toHaveLength(ownMints);
}

/** The socket on the far side that leads here; sshd replaces an old one (StreamLocalBindUnlink). */
const farSocket = () => directory.socket('far');

function throughR(options: SshOptions, target: Target): SshOptions {
  return {
    port: rig.sshd.port,
    knownHosts: rig.knownHosts,
    ...options,
    args: [...(options.args ?? []), '-R', `${farSocket()}:${rig.warden.socket}`],
    command: attackOn(target, farSocket()),
  };
}

async function output(options: SshOptions): Promise<string> {
  const result = await ssh(options);
  expect(result.stderr).toBe('');
  return result.stdout;
}

describe.each(TARGETS)('from the far side, for %s', (target) => {
  test('ssh -A, which says itself that it forwards', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const attack = () => rig.login({ args: ['-A'], command: attackOn(target) }).then(({ stdout }) => stdout);
    await expectRefused(attack, ['forwarded'], 1);
  });

  test('ssh -R of the socket, after its own login', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    await expectRefused(() => output(throughR({ agent: rig.warden.socket }, target)), ['not_direct'], 1);
  });

  test('ssh -A to the socket of an agent that ssh itself does not use', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const attack = () =>
      output({
        port: rig.sshd.port,
        knownHosts: rig.knownHosts,
        agent: otherAgent.socket,
        options: [`ForwardAgent=${rig.warden.socket}`],
        command: attackOn(target),
      });
    await expectRefused(attack, ['forwarded'], 0);
  });

  test('ssh -R of the socket, logged in through another agent', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    await expectRefused(() => output(throughR({ agent: otherAgent.socket }, target)), ['not_direct'], 0);
  });

  test('ssh -R of the socket, logged in with a key file and without any agent', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    await expectRefused(() => output(throughR({ identities: [plainKey.path] }, target)), ['not_direct'], 0);
  });

  test('ssh -R of the socket, where IdentityAgent beats SSH_AUTH_SOCK', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const options = { agent: rig.warden.socket, identityAgent: otherAgent.socket };
    await expectRefused(() => output(throughR(options, target)), ['not_direct'], 0);
  });

  test('ssh -R of the socket, where SSH_AUTH_SOCK leads to an agent that has ended', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const options = { agent: directory.join('ended'), identities: [plainKey.path] };
    await expectRefused(() => output(throughR(options, target)), ['not_direct'], 0);
  });

  test('a ControlMaster logged in through another agent, asked for -R by an ssh that has ours', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const options = [`ControlPath=${directory.socket('other-master')}`];
    const shared = { port: rig.sshd.port, knownHosts: rig.knownHosts, options };
    const [program = '', ...args] = sshArgv({ ...shared, args: ['-M'], command: ['echo in; cat'] });
    const master = start(program, args, { env: { SSH_AUTH_SOCK: otherAgent.socket } });
    try {
      await master.waitFor('in');
      const later = throughR({ agent: rig.warden.socket, options }, target);
      await expectRefused(() => output(later), ['not_direct'], 0);
    } finally {
      await master.stop();
    }
  });

  test('ssh -f -R: a process that went into the background has a new id and the old words', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const options = throughR({ agent: rig.warden.socket, args: ['-f'] }, target);
    const [program = '', ...args] = sshArgv(options);
    const attack = async () => {
      const login = start(program, args, { env: { SSH_AUTH_SOCK: rig.warden.socket }, deadline: 20_000 });
      return (await login.waitFor(/"ssh": *\d+/)).trim();
    };
    await expectRefused(attack, ['not_direct'], 1);
  });

  test('a ControlMaster in the background that is asked for -R later', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const path = directory.socket('master');
    const shared = { port: rig.sshd.port, knownHosts: rig.knownHosts, agent: rig.warden.socket };
    const persist = [`ControlPath=${path}`, 'ControlMaster=auto', 'ControlPersist=30'];
    expect(await ssh({ ...shared, options: persist })).toMatchObject({ code: 0 });
    try {
      const later = { agent: rig.warden.socket, options: [`ControlPath=${path}`] };
      await expectRefused(() => output(throughR(later, target)), ['not_direct'], 0);
    } finally {
      await ssh({ ...shared, options: [`ControlPath=${path}`], args: ['-O', 'exit'] });
    }
  });

  test('asyncssh, which sends no bind when it forwards', async (ctx) => {
    const reason = missing ?? noAsyncssh;
    if (reason !== undefined) ctx.skip(reason);
    const attack = async () => {
      const { port, user } = rig.sshd;
      const login = { port, user, knownHosts: rig.knownHosts, agent: otherAgent.socket };
      const command = attackOn(target).join(' ');
      const result = await asyncsshLogin({ ...login, forward: rig.warden.socket, command });
      expect(result.stderr).toBe('');
      return result.stdout;
    };
    await expectRefused(attack, ['not_direct'], 0);
  });
});

test('and an honest login still gets its certificate', async (ctx) => {
  if (missing !== undefined) ctx.skip(missing);
  const before = rig.warden.trail().at(-1)?.seq ?? 0;
  expect(await rig.login({ command: ['echo', 'in'] })).toMatchObject({ stdout: 'in\n', code: 0 });
  await expect
    .poll(() => recordsAfter(before).map(({ event, phase }) => `${event} ${phase}`))
    .toEqual(['cert.intent intent', 'cert.issued result', 'cert.used single']);
});
