/**
 * One catalog entry as a Lane: defaults filled in, the actor resolved, and everything refused that would widen what the
 * inventory grants. Left out: comparing lanes with each other (load.ts).
 */
import { isIP } from 'node:net';
import { checkSchema } from '../config/check-schema.ts';
import { parseDuration } from '../config/duration.ts';
import type { Problem } from '../config/problems.ts';
import type { Path, YamlFile } from '../config/yaml-file.ts';
import { withPort } from '../destination/host-name.ts';
import type { Actor, ActorType } from '../inventory/actor.ts';
import type { HostPattern, Lane } from './lane.ts';
import { parsePattern } from './pattern.ts';
import { laneEntrySchema, type SshYaml } from './schema.ts';

/** What lanes are measured against. */
export interface LaneContext {
  readonly actors: ReadonlyMap<string, Actor>;
  /** Who `actor: self` is: warden.yaml's `actor`. */
  readonly self: Actor | undefined;
  readonly roleMap: Readonly<Partial<Record<ActorType, string>>>;
}

const DEFAULT_TTL = '2m';
const MAX_DEADLINE_MS = 60_000;
/** With the mint behind it, it must end before sshd's LoginGraceTime, 120 s. */
const MAX_WAIT_FOR_LOGIN_MS = 60_000;
/** What is left of a certificate when the last login may begin to use it: its way to sshd, and clocks that differ. */
/** So long before its end a certificate is shared no more: the last login must be done by then. */
export const LEFT_AFTER_REUSE_MS = 30_000;

type Report = (path: Path, message: string, hint: string) => void;

/** The lane that the entry at `at` of `file` describes, or all that is wrong with it. `entry` is the unchecked value. */
export function laneFromEntry(
  file: YamlFile,
  at: Path,
  entry: unknown,
  context: LaneContext,
): { readonly lane: Lane } | { readonly problems: readonly Problem[] } {
  const checked = checkSchema(file, laneEntrySchema, at, entry);
  if ('problems' in checked) return { problems: checked.problems };

  const { id, title, ssh } = checked.data;
  const problems: Problem[] = [];
  const report: Report = (path, message, hint) =>
    problems.push(file.problem([...at, 'ssh', ...path], message, hint));
  const hosts = hostPatterns(ssh, report);
  checkLogins(ssh, report);
  checkSourceAddress(ssh, report);
  const ttlMs = duration(ssh.ttl ?? DEFAULT_TTL);
  checkTimes(ssh, ttlMs, report);
  const forwarded = hopNames(ssh, report);
  if (ssh.unbound === 'allow' && ssh.principals === undefined) {
    report(
      ['principals'],
      'is missing, and unbound: allow needs principals of its own',
      'name principals that no lane with unbound: deny uses',
    );
  }
  const actor = resolveActor(ssh, context, report);
  if (actor === undefined) return { problems };
  const role = withinActor(ssh, ttlMs, actor, context, report);
  if (problems.length > 0 || role === undefined) return { problems };
  return {
    lane: {
      id,
      title,
      source: `${file.path}:${file.lineOf([...at, 'id'])}`,
      hosts,
      hostKeys: ssh.host_keys,
      hostCa: ssh.host_ca,
      actor,
      logins: ssh.logins,
      principals: ssh.principals ?? actor.principals,
      ttlSeconds: ttlMs / 1000,
      role,
      extensions: ssh.extensions,
      criticalOptions: criticalOptions(ssh),
      upstream: ssh.upstream,
      forwarded,
      unbound: ssh.unbound === 'allow',
      reuseMs: duration(ssh.reuse),
      gateAt: ssh.gate_at,
      deadlineMs: duration(ssh.deadline),
      // Whoever runs without a person has nobody to wait for, also by a lane that people use.
      waitForLoginMs: actor.type === 'adm' ? duration(ssh.wait_for_login) : 0,
    },
  };
}

/** Milliseconds of a text that the schema has accepted. */
function duration(text: string): number {
  return parseDuration(text) ?? 0;
}

function hostPatterns(ssh: SshYaml, report: Report): readonly HostPattern[] {
  if (ssh.hosts.length === 0) {
    if (ssh.host_ca.length > 0) {
      report(
        ['host_ca'],
        'needs hosts',
        'add hosts: the names that its host certificates may prove, or ["*"]',
      );
    } else if (ssh.host_keys.length === 0) {
      report(['hosts'], 'is missing: the lane covers nothing', 'add hosts, or host_keys');
    }
  }
  return ssh.hosts.flatMap((text, index) => {
    const pattern = parsePattern(text);
    if (!('wrong' in pattern)) return [pattern];
    report(['hosts', index], pattern.wrong, pattern.hint);
    return [];
  });
}

/** By name and no wider: a pattern would let in hops that nobody thought of. */
function hopNames(ssh: SshYaml, report: Report): readonly string[] {
  if (ssh.forwarded === 'never') return [];
  return ssh.forwarded.flatMap((text, index) => {
    const pattern = parsePattern(text);
    if (!('wrong' in pattern) && pattern.kind === 'exact') return [withPort(pattern.host, pattern.port)];
    const hint = 'write its name as known_hosts has it: bastion.example.com, [bastion]:2222';
    report(['forwarded', index], 'wrong' in pattern ? pattern.wrong : 'is not the name of one host', hint);
    return [];
  });
}

function checkLogins(ssh: SshYaml, report: Report): void {
  if (ssh.logins.includes('*') && ssh.logins.length > 1) {
    report(['logins'], '"*" stands beside names, and allows all', 'keep "*" alone, or the names');
  }
}

/** The option is a comma-separated list of addresses and networks (sshd(8), source-address in PROTOCOL.certkeys). */
function checkSourceAddress(ssh: SshYaml, report: Report): void {
  const text = ssh.critical_options?.['source-address'];
  if (text === undefined) return;
  for (const part of text.split(',')) {
    const pattern = parsePattern(part);
    const good = !('wrong' in pattern) && (pattern.kind === 'cidr' || isIP(part) !== 0);
    if (!good) {
      report(
        ['critical_options', 'source-address'],
        'is not a list of addresses and networks',
        'write 10.0.0.0/8,192.0.2.1',
      );
      return;
    }
  }
}

function checkTimes(ssh: SshYaml, ttlMs: number, report: Report): void {
  if (ttlMs < 1000 || ttlMs % 1000 !== 0) {
    report(['ttl'], 'must be whole seconds, at least one', 'write 30s, 2m, 1h');
  }
  const reuse = duration(ssh.reuse);
  if (reuse > 0 && reuse > ttlMs - LEFT_AFTER_REUSE_MS) {
    report(
      ['reuse'],
      `leaves the last login less than ${LEFT_AFTER_REUSE_MS / 1000} s of the ttl`,
      'write less, or a longer ttl',
    );
  }
  const deadline = duration(ssh.deadline);
  if (deadline === 0 || deadline > MAX_DEADLINE_MS) {
    report(
      ['deadline'],
      'must be above 0 and at most 60s',
      'write 3s: ssh waits that long when OpenBao hangs',
    );
  }
  if (duration(ssh.wait_for_login) > MAX_WAIT_FOR_LOGIN_MS)
    report(['wait_for_login'], 'is above 60s', 'write 60s: sshd ends a login that takes longer than 120 s');
}

function resolveActor(ssh: SshYaml, context: LaneContext, report: Report): Actor | undefined {
  if (ssh.actor === 'self') {
    if (context.self === undefined) {
      report(['actor'], 'is self, and nobody is', 'add actor: NAME to warden.yaml, or name the actor here');
    }
    return context.self;
  }
  const actor = context.actors.get(ssh.actor);
  if (actor === undefined) {
    report(['actor'], 'is not in the inventory', 'add the actor to inventory.yaml, or correct the name');
  }
  return actor;
}

/** A lane only narrows what the inventory grants. Returns the role. */
function withinActor(
  ssh: SshYaml,
  ttlMs: number,
  actor: Actor,
  context: LaneContext,
  report: Report,
): string | undefined {
  if (ssh.actors !== undefined && !ssh.actors.includes(actor.type)) {
    report(
      ['actors'],
      `leaves out ${actor.type}, and the lane’s actor is ${actor.name}`,
      `add ${actor.type}`,
    );
  }
  if (ttlMs > actor.ttlSeconds * 1000) {
    const cap = `${actor.ttlSeconds / 3600}h`;
    report(['ttl'], `is above the cap of ${actor.name}, ${cap}`, `write at most ${cap}`);
  }
  for (const [index, principal] of (ssh.principals ?? []).entries()) {
    if (actor.principals.includes(principal)) continue;
    const granted = actor.principals.join(', ');
    report(['principals', index], `is not a principal of ${actor.name}`, `the inventory grants: ${granted}`);
  }
  const role = ssh.role ?? context.roleMap[actor.type];
  if (role === undefined) {
    const hint = `add role: here, or openbao.role_map.${actor.type} to warden.yaml`;
    report(['role'], `is missing, and role_map has none for ${actor.type}`, hint);
  }
  return role;
}

function criticalOptions(ssh: SshYaml): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const [name, value] of Object.entries(ssh.critical_options ?? {})) {
    if (value !== undefined) options[name] = value;
  }
  return options;
}
