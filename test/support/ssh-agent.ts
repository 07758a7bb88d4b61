/** A real OpenSSH ssh-agent on a socket of its own, as the agent behind warden or as the one to compare with. */

import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient } from './agent-client.ts';
import { mustRun, run, start, until } from './process.ts';
import { tempDirectory } from './temp.ts';

export interface SshAgent {
  /** The path of its socket, for SSH_AUTH_SOCK. */
  readonly socket: string;
  readonly pid: number;
  /** `ssh-add` with these arguments, such as a private key's path. Throws where it fails. */
  add(...args: readonly string[]): Promise<void>;
  /** The public key lines of `ssh-add -L`; none where the agent holds no identity. */
  list(): Promise<string[]>;
  /** Freezes and thaws the process: an agent that takes a connection and never answers. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

/** `ssh-add -L` on any agent's socket: the lines, none for an empty list. Throws for anything else. */
export async function listIdentities(socket: string): Promise<string[]> {
  const result = await run('ssh-add', ['-L'], { env: { SSH_AUTH_SOCK: socket } });
  if (result.code === 1 && result.stdout.includes('no identities')) return [];
  if (result.code !== 0) throw new Error(`ssh-add -L: ${result.stdout}${result.stderr}`);
  return result.stdout.split('\n').filter((line) => line !== '');
}

/** The path is there from bind(2) on, but nobody is let in before listen(2). Throws after five seconds. */
async function accepting(socket: string): Promise<void> {
  for (let left = 500; ; left -= 1) {
    try {
      (await AgentClient.connect(socket)).close();
      return;
    } catch (refused) {
      if (left === 0) throw refused;
      await sleep(10);
    }
  }
}

/** Starts an agent in the foreground of its own process group. */
export async function startSshAgent(): Promise<SshAgent> {
  const directory = tempDirectory();
  const socket = directory.socket('agent');
  const agent = start('ssh-agent', ['-D', '-a', socket]);
  try {
    await until('the socket of ssh-agent', () => existsSync(socket));
    await accepting(socket);
  } catch (cause) {
    const { stdout, stderr } = await agent.stop();
    directory.remove();
    throw new Error(`ssh-agent did not start: ${stdout}${stderr}`, { cause });
  }
  return {
    socket,
    pid: agent.pid,
    async add(...args) {
      await mustRun('ssh-add', ['-q', ...args], { env: { SSH_AUTH_SOCK: socket } });
    },
    list: () => listIdentities(socket),
    freeze: () => agent.signal('SIGSTOP'),
    thaw: () => agent.signal('SIGCONT'),
    async stop() {
      await agent.stop();
      directory.remove();
    },
  };
}
