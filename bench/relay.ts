/**
 * The agent as a relay: signatures and lists of the agent behind, asked through warden and directly; lists beside a bare two-way pipe
 * in Node; lists without an agent behind; and whether a client waits for another one's expensive binds. In turns, in short blocks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { MESSAGE, parseIdentities } from '../agent/protocol/messages.ts';
import { encodeBind, encodeSignRequest, LIST } from '../test/support/agent-client.ts';
import { newHostKey, syntheticBind } from '../test/support/binds.ts';
import { makeKey } from '../test/support/keys.ts';
import { minimalEnvironment } from '../test/support/process.ts';
import { startSshAgent } from '../test/support/ssh-agent.ts';
import { type TempDirectory, tempDirectory } from '../test/support/temp.ts';
import { startRawParts, untilAccepting } from './parts.ts';
import { RawClient } from './raw-client.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { interval, median, quantile } from './statistics.ts';

const BLOCKS = 24;
const BLOCK_MS = 250;
const CLIENTS = [1, 32] as const;
const CURVES = ['ecdsa384', 'ecdsa521'] as const;
const HAMMERS = 8;
/** SSH_AGENT_RSA_SHA2_512. */
const SHA512 = 4;

const PIPE = `
const net = require('node:net');
net.createServer((client) => {
  const upstream = net.connect(process.argv[1]);
  client.pipe(upstream).pipe(client);
  for (const socket of [client, upstream]) socket.on('error', () => undefined);
}).listen(process.argv[2]);`;

interface Pipe {
  readonly socket: string;
  stop(): void;
}

async function startPipe(upstream: string, directory: TempDirectory): Promise<Pipe> {
  const socket = directory.socket('pipe');
  const child: ChildProcess = spawn(process.execPath, ['-e', PIPE, upstream, socket], {
    stdio: 'ignore',
    env: minimalEnvironment(),
  });
  await untilAccepting(socket);
  return { socket, stop: () => child.kill('SIGKILL') };
}

/** Who is asked, and how often it answered in a second, block by block. */
class Side {
  readonly rates: number[] = [];
  readonly #clients: readonly RawClient[];

  private constructor(clients: readonly RawClient[]) {
    this.#clients = clients;
  }

  static async connect(socket: string, clients: number): Promise<Side> {
    return new Side(await Promise.all(Array.from({ length: clients }, () => RawClient.connect(socket))));
  }

  async block(message: Buffer, expected: number, keep: boolean): Promise<void> {
    const began = performance.now();
    let count = 0;
    const loop = async (client: RawClient) => {
      while (performance.now() - began < BLOCK_MS) {
        const answer = await client.request(message);
        if (answer[0] !== expected) throw new Error(`an answer of type ${answer[0]}`);
        count += 1;
      }
    };
    await Promise.all(this.#clients.map(loop));
    if (keep) this.rates.push((count * 1000) / (performance.now() - began));
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}

interface Comparison {
  readonly name: string;
  readonly through: string;
  readonly peer: string;
  readonly peerName: string;
  readonly message: Buffer;
  readonly answer: number;
  readonly clients: number;
  readonly atLeast: number;
}

async function inTurn<T>(items: readonly T[], once: (item: T) => Promise<Figure>): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const item of items) figures.push(await once(item));
  return figures;
}

async function compare(c: Comparison): Promise<Figure> {
  const [ours, theirs] = [await Side.connect(c.through, c.clients), await Side.connect(c.peer, c.clients)];
  for (let block = -4; block < BLOCKS; block += 1) {
    const order = block % 2 === 0 ? [ours, theirs] : [theirs, ours];
    for (const side of order) await side.block(c.message, c.answer, block >= 0);
  }
  ours.close();
  theirs.close();
  const ratios = ours.rates.map((rate, i) => rate / (theirs.rates[i] ?? Number.NaN));
  const [low, high] = interval(ratios, median);
  return {
    name: `${c.name}, ${c.clients === 1 ? 'one client' : `${c.clients} clients at once`}`,
    value: median(ratios),
    unit: '×',
    atLeast: c.atLeast,
    beside: `${digits(median(ours.rates))}/s; ${c.peerName} ${digits(median(theirs.rates))}/s; ${ratios.length} pairs [${digits(low)}, ${digits(high)}]`,
  };
}

/** The sign request for the only key of an agent. */
async function signRequest(socket: string): Promise<Buffer> {
  const client = await RawClient.connect(socket);
  const [identity] = parseIdentities(await client.request(LIST));
  client.close();
  if (identity === undefined) throw new Error('no key in ssh-agent');
  return encodeSignRequest(identity.blob, randomBytes(300), SHA512);
}

async function signatures(keyType: 'ed25519' | 'rsa', directory: TempDirectory): Promise<readonly Figure[]> {
  const agent = await startSshAgent();
  await agent.add((await makeKey(directory.path, `relay-${keyType}`, keyType)).path);
  const parts = await startRawParts({ upstream: agent.socket });
  try {
    const message = await signRequest(agent.socket);
    return await inTurn(CLIENTS, (clients) =>
      compare({
        clients,
        message,
        through: parts.warden.socket,
        peer: agent.socket,
        name: `${keyType} signature of the agent behind, through warden`,
        peerName: 'asked directly',
        answer: MESSAGE.signResponse,
        atLeast: 0.95,
      }),
    );
  } finally {
    await parts.remove();
    await agent.stop();
  }
}

/** How long lists take beside a peer that binds with `curve` as fast as it can, and beside none. */
async function besideBinds(socket: string, curve: (typeof CURVES)[number]): Promise<Figure> {
  const key = newHostKey(curve);
  const binds = Array.from({ length: 64 }, () => encodeBind(syntheticBind(key)));
  const client = await RawClient.connect(socket);
  const block = async (times: number[]) => {
    const end = performance.now() + BLOCK_MS;
    while (performance.now() < end) {
      const began = performance.now();
      await client.request(LIST);
      times.push(performance.now() - began);
    }
  };
  let hammering = true;
  const hammer = async () => {
    for (let i = 0; hammering; i += 1) {
      const peer = await RawClient.connect(socket);
      await peer.request(binds[i % binds.length] ?? LIST);
      peer.close();
    }
  };
  const [quiet, beside]: [number[], number[]] = [[], []];
  for (let pair = 0; pair < BLOCKS / 3; pair += 1) {
    await block(quiet);
    hammering = true;
    const hammers = Array.from({ length: HAMMERS }, hammer);
    await block(beside);
    hammering = false;
    await Promise.all(hammers);
  }
  client.close();
  const both = (times: readonly number[]) =>
    `p50 ${digits(median(times))}, p99 ${digits(quantile(times, 0.99))} ms`;
  return {
    name: `list beside a peer that binds with ${curve} keys on ${HAMMERS} connections, p99`,
    value: quantile(beside, 0.99),
    unit: 'ms',
    beside: `${both(beside)}; without that peer ${both(quiet)}`,
  };
}

async function lists(directory: TempDirectory): Promise<readonly Figure[]> {
  const agent = await startSshAgent();
  await agent.add((await makeKey(directory.path, 'listed')).path);
  const behind = await startRawParts({ upstream: agent.socket });
  const alone = await startRawParts();
  const pipe = await startPipe(agent.socket, directory);
  const common = { message: LIST, answer: MESSAGE.identitiesAnswer };
  try {
    const relayed = await inTurn(CLIENTS, (clients) =>
      compare({
        ...common,
        clients,
        name: 'list of the agent behind, through warden',
        through: behind.warden.socket,
        peer: pipe.socket,
        peerName: 'a bare pipe in Node',
        atLeast: 0.9,
      }),
    );
    const own = await inTurn(CLIENTS, (clients) =>
      compare({
        ...common,
        clients,
        name: 'list without an agent behind',
        through: alone.warden.socket,
        peer: agent.socket,
        peerName: "ssh-agent's of one key",
        atLeast: 0.8,
      }),
    );
    const hammered = await inTurn(CURVES, (curve) => besideBinds(alone.warden.socket, curve));
    return [...relayed, ...own, ...hammered];
  } finally {
    pipe.stop();
    await behind.remove();
    await alone.remove();
    await agent.stop();
  }
}

async function run(): Promise<readonly Figure[]> {
  const directory = tempDirectory('bench-');
  try {
    return [
      ...(await signatures('ed25519', directory)),
      ...(await signatures('rsa', directory)),
      ...(await lists(directory)),
    ];
  } finally {
    directory.remove();
  }
}

export const relayBench: Bench = {
  name: 'relay',
  about: "other keys through warden, beside OpenSSH's ssh-agent and a bare pipe",
  run,
};
