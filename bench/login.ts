/**
 * Whole logins with the system's ssh at a real sshd, in rounds whose order changes: minted by warden; with a certificate that
 * OpenSSH's ssh-agent holds (the best that there is: nothing to make, nothing to ask); through `bao ssh`. And `warden access`
 * beside plain ssh on the same daemon. What is compared is the difference within each round.
 */
import { readFileSync } from 'node:fs';
import { type KeyFile, makeKey } from '../test/support/keys.ts';
import { writeKnownHosts } from '../test/support/known-hosts.ts';
import { type OpenBao, openbaoBinary, startOpenBao } from '../test/support/openbao.ts';
import { clientArguments, sshArgv } from '../test/support/ssh.ts';
import { startSshAgent } from '../test/support/ssh-agent.ts';
import { type Sshd, startSshd } from '../test/support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../test/support/temp.ts';
import { LAUNCHER, startWarden, type Warden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { differences, interval, mean, median } from './statistics.ts';

const ROUNDS = 120;
/** For the peers: what `bao ssh` asks for unasked, and a certificate that lasts longer than the bench. */
const PEER_ROLE = 'bench-peer';
const BAO_SSH_EXTENSIONS =
  'permit-X11-forwarding,permit-agent-forwarding,permit-port-forwarding,permit-pty,permit-user-rc';

interface LoginParts {
  readonly bao: OpenBao;
  readonly sshd: Sshd;
  readonly warden: Warden;
  readonly directory: TempDirectory;
  readonly knownHosts: string;
  remove(): Promise<void>;
}

async function startLoginParts(): Promise<LoginParts> {
  const bao = await startOpenBao();
  const sshd = await startSshd({ userCas: [bao.caPublicKey] });
  const directory = tempDirectory('bench-');
  const knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token },
    lanes: { web: { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: bao.role } },
    principals: [sshd.user],
    knownHosts: [knownHosts],
  });
  return {
    bao,
    sshd,
    warden,
    directory,
    knownHosts,
    async remove() {
      await warden.remove();
      await sshd.stop();
      await bao.stop();
      directory.remove();
    },
  };
}

/** A certificate beside `key` from OpenBao, good for an hour. */
async function certifyByOpenBao(bao: OpenBao, key: KeyFile, user: string, directory: TempDirectory) {
  const answer = await bao.api('POST', `${bao.mount}/sign/${PEER_ROLE}`, {
    public_key: readFileSync(`${key.path}.pub`, 'utf8').split(' ').slice(0, 2).join(' '),
    valid_principals: user,
    ttl: '1h',
    cert_type: 'user',
  });
  const signed = /"signed_key":"([^"\\]+)/.exec(answer.text)?.[1];
  if (signed === undefined) throw new Error(`no certificate: ${answer.text}`);
  directory.write('peer-cert.pub', `${signed}\n`);
}

/** The words around a paired difference. */
function paired(name: string, beside: string, a: readonly number[], b: readonly number[]) {
  const difference = differences(a, b);
  const [low, high] = interval(difference, median);
  return {
    name,
    difference: median(difference),
    high,
    text: `${beside}; ${a.length} pairs, median difference ${digits(median(difference))} [${digits(low)}, ${digits(high)}], mean ${digits(mean(difference))} [${interval(difference, mean).map(digits).join(', ')}] ms`,
  };
}

async function compareLogins(): Promise<readonly Figure[]> {
  const parts = await startLoginParts();
  const agent = await startSshAgent();
  try {
    const { bao, sshd, warden, directory, knownHosts } = parts;
    await bao.writeRole(PEER_ROLE, { max_ttl: '2h', allowed_extensions: BAO_SSH_EXTENSIONS });
    const key = await makeKey(directory.path, 'peer');
    await certifyByOpenBao(bao, key, sshd.user, directory);
    await agent.add(key.path);
    // The plain key goes again: offered first, it would cost the peer a refusal that warden's list does not have.
    await agent.add('-k', '-d', `${key.path}.pub`);
    const argv = sshArgv({ port: sshd.port, knownHosts });
    const baoSsh = [
      openbaoBinary() ?? 'bao',
      'ssh',
      '-mode=ca',
      `-role=${PEER_ROLE}`,
      `-private-key-path=${key.path}`,
      `-public-key-path=${key.path}.pub`,
      '-strict-host-key-checking=yes',
      `-user-known-hosts-file=${knownHosts}`,
      `${sshd.user}@127.0.0.1`,
      ...clientArguments({ port: sshd.port, knownHosts, identities: [key.path] }),
      'true',
    ];
    const baoEnvironment = { BAO_ADDR: bao.addr, BAO_TOKEN: bao.rootToken, HOME: directory.path };
    const [held = [], minted = [], throughBao = []] = await rounds(ROUNDS, [
      { argv, env: { SSH_AUTH_SOCK: agent.socket } },
      { argv, env: { SSH_AUTH_SOCK: warden.socket } },
      { argv: baoSsh, env: baoEnvironment },
    ]);
    const beside = `minted ${digits(median(minted))}, held ${digits(median(held))}`;
    const mint = paired('minted', beside, minted, held);
    const bao2 = differences(throughBao, held);
    return [
      {
        name: '`ssh host true`, minted: upper end of what it adds to a certificate that ssh-agent holds',
        value: mint.high,
        unit: 'ms',
        atMost: 5,
        beside: mint.text,
      },
      {
        name: 'what minting adds, as a share of what `bao ssh` adds',
        value: mint.difference / median(bao2),
        unit: '×',
        atMost: 0.1,
        beside: `${digits(mint.difference)} ms; \`bao ssh\` ${digits(median(throughBao))} ms, which is ${digits(median(bao2))} more than held`,
      },
    ];
  } finally {
    await agent.stop();
    await parts.remove();
  }
}

async function compareAccess(): Promise<readonly Figure[]> {
  const parts = await startLoginParts();
  try {
    const { sshd, warden, knownHosts } = parts;
    const [program = 'ssh', ...args] = sshArgv({ port: sshd.port, knownHosts });
    const [plain = [], access = []] = await rounds(ROUNDS, [
      { argv: [program, ...args], env: { SSH_AUTH_SOCK: warden.socket } },
      { argv: [LAUNCHER, 'access', ...args], env: { WARDEN_SOCKET: warden.socket } },
    ]);
    const beside = `access ${digits(median(access))}, ssh ${digits(median(plain))}`;
    const { difference, text } = paired('access', beside, access, plain);
    return [
      {
        name: '`warden access host true`: what it adds to `ssh host true`, median',
        value: difference,
        unit: 'ms',
        atMost: 5,
        beside: text,
      },
    ];
  } finally {
    await parts.remove();
  }
}

export const loginBench: Bench = {
  name: 'login',
  about: 'minted logins, beside a certificate in ssh-agent and `bao ssh`',
  run: compareLogins,
};

export const accessBench: Bench = {
  name: 'access',
  about: '`warden access`, beside plain ssh on the same daemon',
  run: compareAccess,
};
