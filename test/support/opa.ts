/**
 * A real OPA on a loopback port, with the shipped policy or another. The program is `$WARDEN_TEST_OPA`, else `opa` on PATH, else the
 * cache that `.ci/run` fills from its Go module.
 */
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from './openbao.ts';
import { start } from './process.ts';

/** Keep equal to `opa` of .ci/run. */
export const OPA_VERSION = '1.22.2';
export const SHIPPED_POLICY = resolve('catalog/policy/warden.rego');
const NO_OPA = 'no `opa` program: set WARDEN_TEST_OPA, or put it on PATH';

function isProgram(path: string | undefined): path is string {
  if (path === undefined || path === '') return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function opaBinary(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const onPath = (process.env['PATH'] ?? '').split(':').map((directory) => join(directory, 'opa'));
  return [
    process.env['WARDEN_TEST_OPA'],
    ...onPath,
    join(cache, 'warden-openbao', `opa-${OPA_VERSION}`, 'opa'),
  ].find(isProgram);
}

/** The reason of a skip, or undefined. Throws with WARDEN_REQUIRE_REAL=1. */
export function opaMissing(): string | undefined {
  if (opaBinary() !== undefined) return undefined;
  if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(NO_OPA);
  return NO_OPA;
}

export interface Opa {
  readonly url: string;
  stop(): Promise<void>;
}

/** `files` are policies and data; decisions are logged, so that they have ids. */
export async function startOpa(
  files: readonly string[],
  more: readonly string[] = [],
  scheme = 'http',
): Promise<Opa> {
  const port = await freePort();
  const log = ['--log-level', 'info', '--set', 'decision_logs.console=true', '--disable-telemetry'];
  const opa = start(opaBinary() ?? 'opa', [
    'run',
    '--server',
    '--addr',
    `127.0.0.1:${port}`,
    ...log,
    ...more,
    ...files,
  ]);
  await opa.waitFor(/Initializing server/, 15_000);
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    async stop() {
      opa.signal('SIGKILL');
      await opa.ended;
    },
  };
}
