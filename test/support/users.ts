/**
 * Extra login users for tests that need a second account, made with useradd where the tests run as root and removed afterwards.
 * Left out: passwords (none can log in with one), anything but Linux's shadow tools.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, mustRun, run } from './process.ts';
import { tempDirectory } from './temp.ts';

export interface User {
  /** `wt-` and eight hex digits. */
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Owned by the user, 0700. */
  readonly home: string;
  remove(): Promise<void>;
}

/** Why there can be no extra users here; undefined where there can. For `ctx.skip(reason)`. */
export function usersMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'extra users need root';
  return findProgram('useradd') === undefined ? 'no useradd on this machine' : undefined;
}

/** The shadow tools lock /etc/passwd and give up at once when another test holds the lock. */
async function retried(program: string, args: readonly string[]): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const result = await run(program, args);
    if (result.code === 0) return;
    if (attempt >= 20 || !result.stderr.includes('lock'))
      throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`);
    await sleep(100);
  }
}

/** Makes a user with /bin/sh and a home of its own. Throws where that is not possible: ask `usersMissing` first. */
export async function createUser(): Promise<User> {
  const name = `wt-${randomBytes(4).toString('hex')}`;
  const home = tempDirectory('wt-home-');
  // "*" is no password that anything matches, but unlike "!" it does not lock the account for keys.
  await retried('useradd', ['-M', '-d', home.path, '-s', '/bin/sh', '-p', '*', '-U', name]);
  const forget = () => void spawnSync('userdel', ['-f', name]);
  process.once('exit', forget);
  const uid = Number(await mustRun('id', ['-u', name]));
  const gid = Number(await mustRun('id', ['-g', name]));
  chownSync(home.path, uid, gid);
  chmodSync(home.path, 0o700);
  return {
    name,
    uid,
    gid,
    home: home.path,
    async remove() {
      process.removeListener('exit', forget);
      await retried('userdel', ['-f', name]);
      home.remove();
    },
  };
}
