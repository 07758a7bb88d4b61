/**
 * What hosts say, from files: a directory with one directory for each host (`auth_principals/USER`, and where they were copied `sshd-T`, the
 * output of `sshd -T`, and `ca_user.pub`, its TrustedUserCAKeys), or an Ansible file of principals (`hosts: HOST: USER: [principal]`,
 * with or without `hosts`).
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { checkSchema } from '../config/check-schema.ts';
import { readYamlFile } from '../config/yaml-file.ts';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';
import { type HostFacts, keyFingerprints, principalsIn, sshdSettings, unseenHost } from './host-facts.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/** The lines of a file that came from a host. Throws the system's error, `malformed`, `limit_exceeded`: neither repeats the path. */
export function linesOf(path: string): readonly string[] {
  const stats = statSync(path);
  // What a host has packed may be anything: reading a FIFO would never end.
  if (!stats.isFile()) throw new WardenError('malformed', 'is no file');
  if (stats.size > MAX_FILE_BYTES)
    throw new WardenError('limit_exceeded', `is longer than ${MAX_FILE_BYTES} bytes`);
  return readFileSync(path, 'utf8').split('\n');
}

function optional<T>(path: string, use: (lines: readonly string[]) => T): T | undefined {
  return existsSync(path) ? use(linesOf(path)) : undefined;
}

function hostFrom(directory: string, host: string): HostFacts {
  const source = join(directory, host);
  try {
    const principals = join(source, 'auth_principals');
    return {
      host,
      source,
      sshd: optional(join(source, 'sshd-T'), sshdSettings),
      cas: optional(join(source, 'ca_user.pub'), keyFingerprints),
      unseen: [],
      principals: readdirSync(principals)
        .sort()
        .flatMap((user) => principalsIn(linesOf(join(principals, user)), user, join(principals, user))),
    };
  } catch (thrown) {
    return unseenHost(host, source, `can't be read: ${errnoOf(thrown) || asWardenError(thrown).message}`);
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
  if ('problems' in checked) return [unseenHost('*', path, 'is no file of hosts, users and principals')];
  const nested = file.has(['hosts']) ? ['hosts'] : [];
  return Object.entries(checked.data).map(([host, byUser]) => ({
    host,
    source: path,
    sshd: undefined,
    cas: undefined,
    unseen: [],
    principals: Object.entries(byUser).flatMap(([user, list]) =>
      list.map((principal, index) => ({
        user,
        principal,
        source: `${path}:${file.lineOf([...nested, host, user, index])}`,
      })),
    ),
  }));
}
