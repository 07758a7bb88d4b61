/**
 * IdentityAgent for the hosts of lanes, for who has another agent in SSH_AUTH_SOCK or programs without it; or CertificateFile, for who wants
 * files: a file of warden's own beside warden.yaml, and one Include line at the top of the person's ssh_config, where it comes before their own IdentityAgent (ssh_config(5):
 * the first value wins; what follows an Include is in no block of it). Left out: networks that end inside a byte of the address.
 */
import { chmodSync, existsSync, lstatSync, realpathSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostPattern, Lane } from '../catalog/lane.ts';
import { readGuarded } from '../config/guarded-file.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';
import { makeDirectory, type Planned } from './write.ts';

const MARK = '# The next line is warden’s: `warden ssh-config --undo` takes both out.';

/** A word for ssh_config. Throws `socket_path` where ssh would read something else in it. */
function word(path: string): string {
  if (/["\\\n]|\$\{|^\$/.test(path)) {
    throw new WardenError('socket_path', `ssh_config can't hold this path as it is: ${path}`, {
      hint: 'choose another: agent.socket, --config',
    });
  }
  return `"${path}"`;
}

/** The pattern that ssh has for a lane's, or undefined. ssh compares names without their port. */
function sshPattern(pattern: HostPattern): string | undefined {
  if (pattern.kind !== 'cidr') return pattern.host;
  const bytes = pattern.address.split('.').slice(0, pattern.prefix / 8);
  if (pattern.address.includes(':') || pattern.prefix % 8 !== 0 || pattern.prefix === 0) return undefined;
  return pattern.prefix === 32 ? pattern.address : `${bytes.join('.')}.*`;
}

/** What ssh is told for the hosts of a lane, or why nothing. */
type LaneSettings = (lane: Lane) => readonly string[] | { readonly none: string };

/** The agent at `socket`. Throws `socket_path`. */
export function byAgent(socket: string): LaneSettings {
  // In a socket's path % is an ordinary character, and to ssh the start of a token.
  const settings = [`IdentityAgent ${word(socket.replaceAll('%', '%%'))}`, 'IdentitiesOnly no'];
  return () => settings;
}

/** The certificates that `warden sign` keeps in `stateDir`; `key` belongs to them, or ssh finds it by itself. Throws `socket_path`. */
export function byFile(stateDir: string, key: string | undefined): LaneSettings {
  const keys = key === undefined ? [] : [`IdentityFile ${word(key.replaceAll('%', '%%'))}`];
  return ({ actor }) => {
    if (!actor.files) return { none: `the inventory allows ${actor.name} no certificates in files` };
    const file = join(stateDir, `${actor.name}-cert.pub`);
    return [`CertificateFile ${word(file.replaceAll('%', '%%'))}`, ...keys];
  };
}

function laneLines(lane: Lane, settingsOf: LaneSettings): readonly string[] {
  const patterns = lane.hosts.map((pattern) => ({ text: pattern.text, ssh: sshPattern(pattern) }));
  const known = patterns.flatMap(({ ssh }) => (ssh === undefined ? [] : [ssh]));
  const unknown = patterns.flatMap(({ text, ssh }) => (ssh === undefined ? [text] : []));
  const head = [
    '',
    `# lane ${lane.id}`,
    ...unknown.map((text) => `# not here: ${text}, for which ssh has no pattern`),
  ];
  if (known.length === 0) return [...head, '# not here: it names no host that ssh could know by its name'];
  const settings = settingsOf(lane);
  if ('none' in settings) return [...head, `# not here: ${settings.none}`];
  return [
    ...head,
    `Match host "${[...new Set(known)].join(',')}"`,
    ...settings.map((setting) => `  ${setting}`),
  ];
}

/** The file that tells ssh these things for the hosts of `lanes`. */
export function sshConfigFile(lanes: readonly Lane[], settingsOf: LaneSettings): string {
  const head = '# Written by `warden ssh-config`; it is written anew, not read: change the lanes instead.';
  return `${[head, ...lanes.flatMap((lane) => laneLines(lane, settingsOf))].join('\n')}\n`;
}

/** Where that file is: beside warden.yaml. */
export function sshConfigPath(configFile: string): string {
  return join(dirname(configFile), 'ssh_config');
}

/** The person's ssh_config without our two lines. */
function withoutInclude(text: string, include: string): string {
  return text.replace(`${MARK}\n${include}\n`, '');
}

/**
 * Both files as they are to be: `text` in warden's own, undefined to take it out again, and the line in `sshConfig`. The person's own
 * lines stay as they are. Throws what `readGuarded` throws.
 */
export function planSshConfig(
  text: string | undefined,
  own: string,
  sshConfig: string,
  uid: number,
): readonly Planned[] {
  const include = `Include ${word(own)}`;
  const before = readGuarded(sshConfig, uid);
  const theirs = withoutInclude(before ?? '', include);
  const lines = text === undefined ? '' : `${MARK}\n${include}\n`;
  return [
    { path: own, text: text ?? '', before: readGuarded(own, uid) },
    { path: sshConfig, text: `${lines}${theirs}`, before },
  ];
}

/** Puts a file in its place, through links and with the rights that it had; without text it goes. */
function put({ path, text, before }: Planned): void {
  if (text === (before ?? '')) return;
  // A link is the person's own arrangement.
  const real = before !== undefined && lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  if (text === '') {
    rmSync(real);
    return;
  }
  const mode = existsSync(real) ? statSync(real).mode & 0o777 : 0o600;
  makeDirectory(dirname(real));
  replaceFile(real, text);
  chmodSync(real, mode);
}

/** Writes what was planned: warden's own file before the line that needs it, and after the line that no longer does. Throws `config_permissions`. */
export function writeSshConfig(planned: readonly Planned[]): void {
  const order = planned.some(({ text }) => text === '') ? planned.toReversed() : planned;
  try {
    for (const each of order) put(each);
  } catch (cause) {
    if (errnoOf(cause) === '') throw cause;
    throw new WardenError('config_permissions', `can't write ssh's configuration: ${String(cause)}`, {
      hint: 'choose a file that you may write to: --file',
      cause,
    });
  }
}
