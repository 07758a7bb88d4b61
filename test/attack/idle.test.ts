/** Ten thousand connections that say nothing, held by other processes, and logins beside them. */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { fetchStatus } from '../../src/control/client.ts';
import { type Background, PYTHON, start } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { listIdentities } from '../support/ssh-agent.ts';
import { expectHonestLogin } from './matrix.ts';

const IDLE = 10_000;
const PROCESSES = 4;
/** Node raises the daemon's soft limit to the hard one; some descriptors are its own. */
const NEEDED = IDLE + 200;
const HOLDER = `
import resource, socket, sys
path, count = sys.argv[1], int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    held.append(s)
print('held', flush=True)
sys.stdin.read()
`;

const rig = useRig();
const holders: Background[] = [];
afterEach(async () => {
  await Promise.all(holders.splice(0).map((holder) => holder.stop()));
});

function hardLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files +\S+ +(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

test('10,000 idle connections are in nobody’s way, and leave nothing behind', {
  timeout: 90_000,
}, async (ctx) => {
  if (process.platform !== 'linux') ctx.skip("needs Linux's /proc");
  if (hardLimit() < NEEDED) ctx.skip(`a process may have ${hardLimit()} open files here (ulimit -Hn)`);
  const { warden } = rig();
  const connections = async () => (await fetchStatus([warden.controlSocket])).connections;
  await expectHonestLogin(rig());
  for (let n = 0; n < PROCESSES; n += 1)
    holders.push(start(PYTHON, ['-c', HOLDER, warden.socket, `${IDLE / PROCESSES}`]));
  for (const holder of holders) await holder.waitFor('held', 60_000);
  await expect.poll(connections, { timeout: 30_000 }).toBe(IDLE);
  await expectHonestLogin(rig());
  expect(await listIdentities(warden.socket)).toEqual([]);
  await Promise.all(holders.map((holder) => holder.stop()));
  await expect.poll(connections, { timeout: 30_000 }).toBe(0);
  await expectHonestLogin(rig());
});
