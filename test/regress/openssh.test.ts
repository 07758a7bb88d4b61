/**
 * OpenSSH's own tests of its agent, through warden's socket with OpenSSH's agent behind it. Each script costs, alone on two cores:
 * agent-restrict 25 s (100 logins), agent-timeout 21 (20 asleep), agent 9, sshsig 8, cert-file 3; all at once 40.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, type TestContext, test } from 'vitest';
import { descendants, mustRun, run, until } from '../support/process.ts';
import { listIdentities } from '../support/ssh-agent.ts';
import { tempDirectory } from '../support/temp.ts';
import { runScript, SHIM, suiteEnvironment, suiteMissing } from './suite.ts';

const TIMEOUT_MS = 240_000;

function needsSuite(context: TestContext): void {
  const missing = suiteMissing();
  if (missing !== undefined) context.skip(missing);
}

/** Whether a process runs: one that has ended and that nobody waits for does not. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/^.*\) [XZ] /.test(readFileSync(file, 'latin1'));
}

describe.concurrent("OpenSSH's regression suite through warden", { timeout: TIMEOUT_MS }, () => {
  // The longest first.
  test.for(['agent-restrict', 'agent-timeout', 'sshsig', 'agent', 'cert-file'])(
    '%s',
    async (name, context) => {
      needsSuite(context);
      const { code, output, accepted, opened } = await runScript(name);
      context.expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^ok /m) });
      context.expect(output).not.toMatch(/^skip/im);
      context.expect(accepted).toBeGreaterThan(0);
      context.expect(opened).toBeGreaterThan(0);
    },
  );

  // As root, and without sudo anyway: the first would ask as nobody, the second change the rights of the agent's program.
  test.for(['agent-getpeereid', 'agent-ptrace'])('%s', async (name, context) => {
    needsSuite(context);
    const { code, output } = await runScript(name);
    context.expect({ code, output }).toMatchObject({ code: 0 });
    const skipped = /^skip.*$/im.exec(output)?.[0];
    if (skipped !== undefined) context.skip(`${name} skips itself: ${skipped}`);
    context.expect(output).toMatch(/^ok /m);
  });

  test('with warden killed the suite fails: nothing reaches the real agent beside it', async (context) => {
    needsSuite(context);
    const { code, output, accepted } = await runScript('cert-file', { broken: true });
    context.expect(code).toBe(1);
    context.expect(output).toContain('ssh-add did not succeed');
    context.expect(accepted).toBe(0);
  });
});

describe.concurrent('the agent that the suite is shown', { timeout: TIMEOUT_MS }, () => {
  const shape = (text: string) => text.replace(/\/[^ ;]+/g, 'PATH').replace(/\d+/g, 'N');
  const variable = (text: string, name: string) => new RegExp(`^${name}=([^;]+);`, 'm').exec(text)?.[1] ?? '';

  test.for([['-s'], ['-c']])('prints what ssh-agent %s prints', async (args, context) => {
    const directory = tempDirectory();
    const env = { ...suiteEnvironment(directory.path), SHELL: '/bin/sh' };
    const printed: string[] = [];
    for (const program of ['ssh-agent', SHIM]) {
      const started = await mustRun(program, args, { env });
      const pid = /Agent pid (\d+)/.exec(started)?.[1];
      const ended = await mustRun(program, [...args, '-k'], { env: { ...env, SSH_AGENT_PID: pid } });
      printed.push(shape(started + ended));
    }
    context.expect(printed[1]).toBe(printed[0]);
    context.expect(printed[1]).toContain('Agent pid N killed');
    directory.remove();
  });

  test('runs a command, gives it an agent, and ends with its status', async (context) => {
    const directory = tempDirectory();
    const script = 'ssh-add -L; test $? -eq 1 && echo "$SSH_AGENT_PID" && exit 7';
    const result = await run(SHIM, ['-t', '60', 'sh', '-c', script], {
      env: suiteEnvironment(directory.path),
    });
    context.expect(result).toMatchObject({ code: 7, stderr: '' });
    const [said, pid] = result.stdout.split('\n');
    context.expect(said).toBe('The agent has no identities.');
    await until("warden's end", () => !isRunning(Number(pid)));
    directory.remove();
  });

  test('is warden with the real agent behind, and the end of warden is the end of both', async (context) => {
    const directory = tempDirectory();
    const started = await mustRun(SHIM, ['-s'], { env: suiteEnvironment(directory.path) });
    const socket = variable(started, 'SSH_AUTH_SOCK');
    const warden = Number(variable(started, 'SSH_AGENT_PID'));
    const [agent = 0, ...others] = descendants(warden);
    context.expect(others).toEqual([]);
    context.expect(readFileSync(`/proc/${warden}/comm`, 'utf8')).toBe('warden-agent\n');
    context.expect(readFileSync(`/proc/${agent}/comm`, 'utf8')).toBe('ssh-agent\n');
    context.expect(await listIdentities(socket)).toEqual([]);
    process.kill(warden, 'SIGKILL');
    await context.expect(listIdentities(socket)).rejects.toThrow('ssh-add -L');
    // The real agent looks every 10 s.
    await until("the real agent's end", () => !isRunning(agent), 20_000);
    directory.remove();
  });
});
