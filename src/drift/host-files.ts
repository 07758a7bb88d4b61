/**
 * What hosts say, from files: a directory with one directory for each host (`auth_principals/USER`, and where they were copied `sshd-T`, the
 * output of `sshd -T`, and `ca_user.pub`, its TrustedUserCAKeys), or an Ansible file of principals (`hosts: HOST: USER: [principal]`,
 * with or without `hosts`). Left out: asking hosts over ssh.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { checkSchema } from '../config/check-schema.ts';
import { readYamlFile } from '../config/yaml-file.ts';
import { asWardenError, errnoOf } from '../errors.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';

const MAX_FILE_BYTES = 1024 * 1024;

export interface HostPrincipal {
  readonly user: string;
  readonly principal: string;
  /** `file:line` */
  readonly source: string;
}

export interface HostFacts {
  readonly host: string;
  readonly source: string;
  /** Or why they can't be seen. */
  readonly principals: readonly HostPrincipal[] | string;
  /** `sshd -T`: the first value of each key; undefined where it was not copied. */
  readonly sshd: ReadonlyMap<string, string> | undefined;
  /** Fingerprints of TrustedUserCAKeys; undefined where it was not copied. */
  readonly cas: readonly string[] | undefined;
}

function read(path: string): string {
  const { size } = statSync(path);
  if (size > MAX_FILE_BYTES) throw new Error(`${path} is longer than ${MAX_FILE_BYTES} bytes`);
  return readFileSync(path, 'utf8');
}

function optional<T>(path: string, use: (text: string) => T): T | undefined {
  return existsSync(path) ? use(read(path)) : undefined;
}

/** sshd(8), "AuthorizedPrincipalsFile": options may stand before the principal; # begins a comment. */
function principalsOf(path: string, user: string): HostPrincipal[] {
  return read(path)
    .split('\n')
    .flatMap((line, index) => {
      const text = line.trim();
      const principal = text.split(/\s+/).at(-1) ?? '';
      return text === '' || text.startsWith('#') ? [] : [{ user, principal, source: `${path}:${index + 1}` }];
    });
}

function hostFrom(directory: string, host: string): HostFacts {
  const source = join(directory, host);
  try {
    const principals = join(source, 'auth_principals');
    const sshd = optional(join(source, 'sshd-T'), (text) => {
      const pairs = text.split('\n').map((line): [string, string] => {
        const [key = '', ...value] = line.trim().split(/\s+/);
        return [key.toLowerCase(), value.join(' ')];
      });
      return new Map(pairs.reverse());
    });
    const cas = optional(join(source, 'ca_user.pub'), (text) =>
      text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => fingerprint(parsePublicKeyLine(line).blob)),
    );
    return {
      host,
      source,
      sshd,
      cas,
      principals: readdirSync(principals)
        .sort()
        .flatMap((user) => principalsOf(join(principals, user), user)),
    };
  } catch (thrown) {
    const why = errnoOf(thrown) || asWardenError(thrown).message;
    return { host, source, principals: `can't be read: ${why}`, sshd: undefined, cas: undefined };
  }
}

/** One directory for each host. */
export function hostsFromDirectory(directory: string): readonly HostFacts[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => hostFrom(directory, name));
}

const users = z.record(z.string(), z.array(z.string()));
const flat = z.record(z.string(), users);
const ansible = z.union([z.looseObject({ hosts: flat }).transform(({ hosts }) => hosts), flat]);

/** Throws ConfigError where the file is another one. */
export function hostsFromAnsible(path: string): readonly HostFacts[] {
  const file = readYamlFile(path, undefined);
  if (file === undefined) return [];
  const checked = checkSchema(file, ansible);
  if ('problems' in checked)
    return [
      {
        host: '*',
        source: path,
        principals: 'is no file of hosts, users and principals',
        sshd: undefined,
        cas: undefined,
      },
    ];
  const nested = file.has(['hosts']) ? ['hosts'] : [];
  return Object.entries(checked.data).map(([host, byUser]) => ({
    host,
    source: path,
    sshd: undefined,
    cas: undefined,
    principals: Object.entries(byUser).flatMap(([user, list]) =>
      list.map((principal, index) => ({
        user,
        principal,
        source: `${path}:${file.lineOf([...nested, host, user, index])}`,
      })),
    ),
  }));
}
