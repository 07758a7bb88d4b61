/** A daemon without privileges against its own user: no debugger, no core, no way in for others by the file system. */
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Background, findProgram, mustRun, PYTHON, run, start } from '../support/process.ts';
import { createUser, type User, usersMissing } from '../support/users.ts';

const missing = process.platform === 'linux' ? usersMissing() : "needs Linux's /proc";
/** Opens a process's memory and attaches to it (PTRACE_ATTACH 16, _SEIZE 0x4206, _INTERRUPT 0x4207, _DETACH 17); prints what each said. */
const DEBUGGER = `
import ctypes, errno, os, sys
pid = int(sys.argv[1])
try:
    open(f'/proc/{pid}/mem', 'rb').close()
    print('mem ok')
except OSError as e:
    print('mem', errno.errorcode[e.errno])
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for name, request in [('attach', 16), ('seize', 0x4206)]:
    if libc.ptrace(request, pid, None, None) != 0:
        print(name, errno.errorcode[ctypes.get_errno()])
        continue
    print(name, 'ok')
    # Only what has stopped can be let go.
    if name == 'seize':
        libc.ptrace(0x4207, pid, None, None)
    os.waitpid(pid, 0)
    libc.ptrace(17, pid, None, None)
`;

const YAMA = '/proc/sys/kernel/yama/ptrace_scope';
const yamaForbids = () => existsSync(YAMA) && readFileSync(YAMA, 'utf8').trim() !== '0';

let user: User;
let daemon: Background;
/** A Node of the same user that has done nothing for itself: what a debugger sees there says that the test can see at all. */
let plain: Background;

const asUser = () => ['--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--clear-groups', '--'];
const at = (...names: readonly string[]) => join(user.home, ...names);
const runAsUser = (...argv: readonly string[]) => run('setpriv', [...asUser(), ...argv], { cwd: user.home });

beforeAll(async () => {
  if (missing !== undefined) return;
  user = await createUser();
  // A copy of the program: the tree may be closed to others.
  cpSync('dist', at('dist'), { recursive: true });
  for (const name of ['koffi', '@koromix'])
    cpSync(`node_modules/${name}`, at('node_modules', name), { recursive: true });
  mkdirSync(at('run'), { mode: 0o700 });
  await mustRun('chown', ['-R', `${user.uid}:${user.gid}`, user.home]);
  const options = { env: { HOME: user.home }, cwd: user.home };
  // With wide rights as a parent may leave them.
  const script = 'umask 0; ulimit -c unlimited; exec "$@"';
  const agent = [
    process.execPath,
    at('dist/agent.mjs'),
    '--socket',
    at('run/agent.sock'),
    '--upstream',
    'none',
  ];
  daemon = start('setpriv', [...asUser(), 'sh', '-c', script, 'sh', ...agent], options);
  const node = [process.execPath, '-e', 'console.log("up"); setInterval(() => {}, 1000)'];
  plain = start('setpriv', [...asUser(), 'sh', '-c', script, 'sh', ...node], options);
  await daemon.waitFor('"msg":"ready"');
  await plain.waitFor('up');
});

afterAll(async () => {
  await daemon?.stop();
  await plain?.stop();
  await user?.remove();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

describe("a debugger of the daemon's own user", () => {
  test('is refused its memory and its control', async () => {
    const { stdout, stderr } = await runAsUser(PYTHON, '-c', DEBUGGER, `${daemon.pid}`);
    expect({ stdout, stderr }).toEqual({ stdout: 'mem EACCES\nattach EPERM\nseize EPERM\n', stderr: '' });
  });

  test('gets the memory and the control of a Node that is not hardened', async (ctx) => {
    if (yamaForbids()) ctx.skip("this kernel's Yama forbids debuggers of what is not their own child");
    const { stdout } = await runAsUser(PYTHON, '-c', DEBUGGER, `${plain.pid}`);
    expect(stdout).toBe('mem ok\nattach ok\nseize ok\n');
  });

  test('gdb is refused as well', async (ctx) => {
    const gdb = findProgram('gdb');
    if (gdb === undefined) ctx.skip('no gdb on this machine');
    else {
      const attach = await runAsUser(gdb, '-nx', '-batch', '-p', `${daemon.pid}`);
      expect(attach.stdout + attach.stderr).toMatch(/ptrace: Operation not permitted/);
    }
  });

  test.each(['environ', 'maps', 'fd', 'cwd', 'exe'])('is refused /proc/PID/%s', async (name) => {
    const look = name === 'environ' || name === 'maps' ? 'cat' : name === 'fd' ? 'ls' : 'readlink';
    expect(await runAsUser(look, `/proc/${daemon.pid}/${name}`)).toMatchObject({ stdout: '' });
    expect((await runAsUser(look, `/proc/${plain.pid}/${name}`)).stdout).not.toBe('');
  });
});

test('root may ask, as with every ssh-agent', async () => {
  const { stdout } = await run('ssh-add', ['-l'], { env: { SSH_AUTH_SOCK: at('run/agent.sock') } });
  expect(stdout).toContain('The agent has no identities');
});

test('its /proc directory belongs to root, as of every process that may not be dumped', () => {
  expect(statSync(`/proc/${daemon.pid}/environ`).uid).toBe(0);
  expect(statSync(`/proc/${plain.pid}/environ`).uid).toBe(user.uid);
});

test('it leaves no core, whatever its parent allowed', () => {
  const limit = (pid: number) =>
    /^Max core file size +(\S+) +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'));
  expect(limit(daemon.pid)?.slice(1, 3)).toEqual(['0', '0']);
  expect(limit(plain.pid)?.slice(1, 3)).not.toEqual(['0', '0']);
});

test('its files are for its user alone, whatever umask it was started with', () => {
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect(mode(at('run'))).toBe('700');
  for (const name of ['agent.sock', 'control.sock', 'agent.pid']) expect(mode(at('run', name))).toBe('600');
  expect(/^Umask:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]).toBe('0077');
  expect(mode(at('.local/state/warden/audit'))).toBe('700');
  expect(mode(at('.local/state/warden/audit/trail.jsonl'))).toBe('600');
});
