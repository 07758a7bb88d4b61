/**
 * The readiness gate before a tunnel is switched to certificates (ops-warden's check_tunnel_cert_readiness): configuration, actor, public
 * key, principals, OpenBao's role, the host's principals where they are given, and on demand one real certificate. Read-only but for that.
 */

import { type Check, checkOf } from '../checks/check.ts';
import type { Config } from '../config/config.ts';
import { readYamlFile } from '../config/yaml-file.ts';
import { asWardenError } from '../errors.ts';
import { BACKDATE_ALLOWANCE_S } from '../issuance/check.ts';
import { askFor } from '../issuance/file-mint.ts';
import type { FileCertificate } from '../issuance/file-request.ts';
import type { Ask } from '../issuance/mint.ts';
import type { RoleFields } from '../openbao/survey.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { readSubmittedKey } from '../ssh/submitted-key.ts';

/** How long the certificate of a smoke test lasts at most. */
export const SMOKE_TTL_S = 300;

export interface ReadinessInput {
  readonly config: Config;
  readonly actor: string;
  /** The text of the public key's file, or why it can't be read. */
  readonly publicKey: string | Error;
  /** The role of the actor's type as OpenBao says, or why it can't be seen. */
  readonly role: (name: string) => Promise<RoleFields | string>;
  /** A file that says which principals hosts accept. */
  readonly infra: string | undefined;
  readonly certCommand: string | undefined;
  /** Mints one certificate; undefined: not asked for. */
  readonly smoke: ((publicKey: string, ttlSeconds: number) => Promise<FileCertificate>) | undefined;
}

/** Every text in lists and as key of mappings: the layout of hosts' principals is each infrastructure's own. */
function wordsIn(value: unknown): Set<string> {
  if (typeof value === 'string') return new Set([value]);
  if (typeof value !== 'object' || value === null) return new Set();
  const inside = Array.isArray(value) ? value : Object.entries(value).flat();
  return new Set(inside.flatMap((each: unknown) => [...wordsIn(each)]));
}

function said(thrown: unknown): string {
  return asWardenError(thrown).message;
}

function checkKey({ publicKey }: ReadinessInput): {
  readonly check: Check;
  readonly line: string | undefined;
} {
  try {
    if (publicKey instanceof Error) throw publicKey;
    const key = readSubmittedKey(publicKey);
    const expected = `the public key is good: ${key.type} ${fingerprint(key.blob)}`;
    return {
      check: checkOf('pubkey.good', expected, [], ''),
      line: `${key.type} ${key.blob.toString('base64')}`,
    };
  } catch (thrown) {
    const { message, hint } = asWardenError(thrown);
    return { check: checkOf('pubkey.good', 'the public key is good', [message], hint), line: undefined };
  }
}

async function checkRole(ask: Ask, see: ReadinessInput['role']): Promise<Check> {
  const fields = await see(ask.role);
  const expected = `OpenBao's role ${ask.role} signs for these principals and so long`;
  if (typeof fields === 'string') {
    const todo = `let the token read the role: path "…/roles/${ask.role}" { capabilities = ["read"] }`;
    return checkOf('role.wide_enough', expected, [`${ask.role}: ${fields}`], todo, 'unknown');
  }
  const free = fields.usersTemplate || fields.allowedUsers.includes('*');
  const lacking = free ? [] : ask.principals.filter((name) => !fields.allowedUsers.includes(name));
  const short = fields.maxTtlSeconds > 0 && fields.maxTtlSeconds < ask.ttlSeconds;
  return checkOf(
    'role.wide_enough',
    expected,
    [
      ...(fields.userCertificates ? [] : ['it signs no user certificates']),
      ...(lacking.length > 0 ? [`it does not sign for ${lacking.join(', ')}`] : []),
      ...(short ? [`it signs for ${fields.maxTtlSeconds} s, the actor may have ${ask.ttlSeconds} s`] : []),
    ],
    'change the role, or the actor in the inventory',
  );
}

function checkHosts(ask: Ask, infra: string): Check {
  const expected = `hosts accept ${ask.principals.join(', ')}`;
  try {
    const file = readYamlFile(infra, undefined);
    if (file === undefined)
      return checkOf('host.principals', expected, [`there is no ${infra}`], 'name the file', 'unknown');
    const words = wordsIn(file.data);
    const lacking = ask.principals.filter((name) => !words.has(name));
    return checkOf(
      'host.principals',
      expected,
      lacking.map((name) => `${name} is not in ${infra}`),
      'ask the owner of the hosts',
    );
  } catch (thrown) {
    return checkOf('host.principals', expected, [said(thrown)], 'name a YAML file', 'unknown');
  }
}

/** Compared by the certificate's own times, so that no clock and no time zone matters. */
function checkSmoke(ask: Ask, cert: FileCertificate, keyId: Config['openbao']['keyId']): Check {
  const seconds = (Date.parse(cert.valid_before) - Date.parse(cert.valid_after)) / 1000;
  const most = Math.min(ask.ttlSeconds, SMOKE_TTL_S) + BACKDATE_ALLOWANCE_S;
  return checkOf(
    'smoke.certificate',
    `OpenBao signed: key id ${cert.key_id}, serial ${cert.serial}, principals ${cert.principals.join(', ')}, ${seconds} s`,
    [
      ...(keyId === 'actor' && cert.key_id !== cert.actor ? [`its key id is ${cert.key_id}`] : []),
      ...([...cert.principals].sort().join() === [...ask.principals].sort().join()
        ? []
        : [`its principals are ${cert.principals.join(', ')}`]),
      ...(seconds > 0 && seconds <= most ? [] : [`it is valid for ${seconds} s`]),
    ],
    'compare the role with the inventory',
  );
}

/** Runs the gate; never throws. */
export async function readiness(input: ReadinessInput): Promise<readonly Check[]> {
  const { config, actor, infra, certCommand, smoke } = input;
  const { check: keyCheck, line } = checkKey(input);
  const checks: Check[] = [];
  let ask: Ask | undefined;
  try {
    ask = askFor(config, { command: 'sign', actor, public_key: '' });
    const facts = `${ask.principals.join(', ')}, ${ask.ttlSeconds / 3600} h, role ${ask.role}`;
    checks.push(checkOf('actor.may_sign', `${actor} may have certificates in files: ${facts}`, [], ''));
  } catch (thrown) {
    const { message, hint } = asWardenError(thrown);
    checks.push(checkOf('actor.may_sign', `${actor} may have certificates in files`, [message], hint));
  }
  checks.push(keyCheck);
  const command = certCommand ?? '';
  checks.push(
    checkOf(
      'tunnel.cert_command',
      'the tunnel has a cert_command',
      command === '' ? ['it still runs on its key alone'] : [],
      `cert_command: warden sign ${actor} --pubkey KEY.pub`,
      'warn',
    ),
  );
  if (ask === undefined) return checks;
  checks.push(await checkRole(ask, input.role));
  if (infra !== undefined) checks.push(checkHosts(ask, infra));
  if (smoke === undefined || line === undefined) return checks;
  try {
    checks.push(
      checkSmoke(ask, await smoke(line, Math.min(ask.ttlSeconds, SMOKE_TTL_S)), config.openbao.keyId),
    );
  } catch (thrown) {
    const { message, hint } = asWardenError(thrown);
    checks.push(checkOf('smoke.certificate', 'OpenBao signs', [message], hint));
  }
  return checks;
}
