/**
 * A cluster of real OpenBao servers on loopback, with Raft storage below a directory: initialised, unsealed, joined. The first is the leader.
 * Left out: TLS.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { freePort, openbaoBinary } from './openbao.ts';
import { type Background, start } from './process.ts';
import type { TempDirectory } from './temp.ts';

const DEADLINE_MS = 60_000;

export interface RaftNode {
  readonly addr: string;
  /** The server that was started last. */
  readonly process: Background;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Starts it again with what it has stored, and unseals it unless it is to be left sealed. */
  start(options?: { readonly sealed: true }): Promise<void>;
}

export interface RaftCluster {
  readonly nodes: readonly RaftNode[];
  readonly rootToken: string;
  api(addr: string, method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }>;
  /** The node that is active now. */
  leader(): Promise<RaftNode>;
  /** Waits until every node has a vote: a new one gets it after ten seconds, and before that no other leader can be elected. */
  allVote(): Promise<void>;
  stop(): Promise<void>;
}

async function call(addr: string, token: string, method: string, path: string, body?: unknown) {
  const response = await fetch(`${addr}/v1/${path}`, {
    method,
    headers: { 'X-Vault-Request': 'true', ...(token === '' ? {} : { 'X-Vault-Token': token }) },
    signal: AbortSignal.timeout(30_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json: unknown = text === '' ? undefined : JSON.parse(text);
  return { status: response.status, json };
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await check().catch(() => false))) {
    if (Date.now() > end) throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
    await sleep(100);
  }
}

interface Server {
  readonly addr: string;
  readonly process: Background;
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function startServer(directory: TempDirectory, index: number): Promise<Server> {
  const [port, clusterPort] = [await freePort(), await freePort()];
  const addr = `http://127.0.0.1:${port}`;
  mkdirSync(directory.join(`raft-${index}`));
  const config = directory.write(
    `node-${index}.hcl`,
    `storage "raft" {
  path = "${directory.join(`raft-${index}`)}"
  node_id = "node-${index}"
  performance_multiplier = 1
}
listener "tcp" {
  address = "127.0.0.1:${port}"
  cluster_address = "127.0.0.1:${clusterPort}"
  tls_disable = true
}
api_addr = "${addr}"
cluster_addr = "https://127.0.0.1:${clusterPort}"
`,
  );
  const launch = async () => {
    const server = start(openbaoBinary() ?? 'bao', ['server', `-config=${config}`], {
      env: { HOME: directory.path },
    });
    await until(
      `node ${index} listens`,
      async () => (await call(addr, '', 'GET', 'sys/seal-status')).status === 200,
    );
    return server;
  };
  let process = await launch();
  return {
    addr,
    get process() {
      return process;
    },
    async kill() {
      process.signal('SIGKILL');
      await process.ended;
    },
    async start() {
      process = await launch();
    },
  };
}

const raftConfiguration = z.object({
  data: z.object({ config: z.object({ servers: z.array(z.object({ voter: z.boolean() })) }) }),
});

function votersOf(json: unknown): number {
  return raftConfiguration.parse(json).data.config.servers.filter(({ voter }) => voter).length;
}

/** Starts so many nodes. Throws where they don't come up in time. */
export async function startRaft(directory: TempDirectory, count = 3): Promise<RaftCluster> {
  const servers: Server[] = [];
  for (let index = 1; index <= count; index += 1) servers.push(await startServer(directory, index));
  const stop = async () => void (await Promise.all(servers.map(({ process }) => process.stop())));
  try {
    const [first, ...others] = servers;
    if (first === undefined) throw new Error('no node');
    const init = await call(first.addr, '', 'POST', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
    const { keys, root_token: rootToken } = z
      .object({ keys: z.array(z.string()), root_token: z.string() })
      .parse(init.json);
    const unseal = (addr: string) => call(addr, '', 'POST', 'sys/unseal', { key: keys[0] });
    const health = async (addr: string) => (await call(addr, '', 'GET', 'sys/health')).status;
    await unseal(first.addr);
    await until('the first node is active', async () => (await health(first.addr)) === 200);
    for (const { addr } of others) {
      const leader = { leader_api_addr: first.addr };
      await until(`${addr} joins`, async () => {
        return (await call(addr, '', 'POST', 'sys/storage/raft/join', leader)).status === 200;
      });
      await until(`${addr} is a standby`, async () => {
        await unseal(addr);
        return (await health(addr)) === 429;
      });
    }
    const nodes = servers.map((server) => ({
      addr: server.addr,
      get process() {
        return server.process;
      },
      kill: server.kill,
      async start(options?: { readonly sealed: true }) {
        await server.start();
        if (options?.sealed === true) return;
        await until(`${server.addr} is unsealed`, async () => {
          await unseal(server.addr);
          return [200, 429].includes(await health(server.addr));
        });
      },
    }));
    const leader = async () => {
      for (const node of nodes) {
        const found = await call(node.addr, '', 'GET', 'sys/health').catch(() => undefined);
        if (found?.status === 200) return node;
      }
      throw new Error('no node is active');
    };
    return {
      nodes,
      rootToken,
      api: (addr, method, path, body) => call(addr, rootToken, method, path, body),
      leader,
      allVote: () =>
        until('every node has a vote', async () => {
          const { addr } = await leader();
          const answer = await call(addr, rootToken, 'GET', 'sys/storage/raft/configuration');
          return votersOf(answer.json) === count;
        }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
