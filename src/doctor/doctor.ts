/** `warden doctor`: facts, then checks in the order of a login's way, then what it comes to. */
import { EXIT } from '../errors.ts';
import { checkAgent } from './checks/agent.ts';
import { checkAskedAgent } from './checks/asked-agent.ts';
import { checkConfiguration } from './checks/configuration.ts';
import { checkKnownHosts } from './checks/known-hosts.ts';
import { checkLane } from './checks/lane.ts';
import { checkLogin } from './checks/login.ts';
import { checkMachine } from './checks/machine.ts';
import { checkNamespace } from './checks/namespace.ts';
import { checkNodes } from './checks/nodes.ts';
import { checkOpenBao } from './checks/openbao.ts';
import { checkRoles } from './checks/role.ts';
import { checkRoleWidth } from './checks/role-width.ts';
import { checkSshSettings } from './checks/ssh-settings.ts';
import { checkToken } from './checks/token.ts';
import { checkUpstream } from './checks/upstream.ts';
import { type DoctorOptions, type Facts, gatherFacts } from './facts.ts';
import { type Finding, finding } from './finding.ts';

export interface Report {
  /** As it was typed, or null. */
  readonly host: string | null;
  readonly findings: readonly Finding[];
}

const CHECKS: readonly ((facts: Facts) => readonly Finding[])[] = [
  checkMachine,
  checkConfiguration,
  checkAgent,
  checkAskedAgent,
  checkUpstream,
  checkSshSettings,
  checkKnownHosts,
  checkLane,
  checkOpenBao,
  checkNodes,
  checkNamespace,
  checkToken,
  checkRoles,
  checkRoleWidth,
  checkLogin,
];

/** Every finding about the facts. */
export function examine(facts: Facts, words: readonly string[]): Report {
  const findings = CHECKS.flatMap((check) => check(facts));
  if (words.length > 0 && facts.host === undefined) {
    findings.push(
      finding('unknown', 'host.not_looked_at', 'the host was not looked at: the configuration comes first', {
        todo: 'set it right, and ask again',
      }),
    );
  }
  return { host: facts.host?.typed ?? null, findings };
}

/** Looks, and says what it found. Throws what `gatherFacts` throws. */
export async function doctor(
  options: DoctorOptions,
): Promise<{ readonly report: Report; readonly facts: Facts }> {
  const facts = await gatherFacts(options);
  return { report: examine(facts, options.words), facts };
}

/** 0: nothing stands in the way. 1: something does. 2: that could not be told. */
export function exitOf({ findings }: Report): number {
  if (findings.some(({ level }) => level === 'problem')) return EXIT.no;
  return findings.some(({ level }) => level === 'unknown') ? 2 : EXIT.ok;
}
