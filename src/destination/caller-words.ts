/**
 * The caller's own words: under which names may the ssh that connected look its host up? Its arguments, taken through the
 * ssh_config that it reads, as ssh.c's main() does it: configuration, HostName, canonicalization, final pass. The answers
 * are guesses that known_hosts and the verified key prove or not. Nothing is executed and nothing is resolved: what would
 * need that (Match exec, CanonicalDomains) gives more guesses instead. Left out: CNAMEs, tokens in User.
 */
import { SocketAddress } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { CallerWords } from './destination.ts';
import { isLiteralName, lowerCase, MAX_NAME, withPort } from './host-name.ts';
import { parseSshArguments, type SshArguments } from './ssh-arguments.ts';
import { expandHostName, type Pass, readConfigFile, Settings } from './ssh-config.ts';
import { ConfigFiles } from './ssh-config-files.ts';

/** Canonical names for which the configuration is read again. */
const MAX_FINAL_PASSES = 40;
export const MAX_CANDIDATES = 256;
const NOTHING: CallerWords = { candidates: [], user: undefined };

export interface CallerContext {
  /** ssh's working directory: a relative `-F` starts there. */
  readonly cwd: string;
  /** The home directory of ssh's user, from the password database as ssh takes it. */
  readonly home: string;
  readonly localUser: string;
  /** Default `/etc/ssh/ssh_config`. */
  readonly systemConfig?: string;
}

/** resolve_addr: addresses are brought into their usual form (`127.1` is 127.0.0.1), names are not. */
function canonicalAddress(host: string): string | undefined {
  try {
    if (host.includes(':')) {
      return host.includes('%') ? host : new SocketAddress({ address: host, family: 'ipv6' }).address;
    }
    // The URL standard reads IPv4 addresses as inet_aton(3) does: short, octal, hexadecimal.
    if (!/^[0-9][0-9a-fx.]*$/i.test(host) || host.endsWith('.')) return undefined;
    const { hostname } = new URL(`http://${host}/`);
    return /^[0-9.]+$/.test(hostname) ? hostname : undefined;
  } catch {
    return undefined;
  }
}

/** Every host that the settings may lead to, before canonicalization: lower case, addresses in their usual form. */
function hostsOf(settings: Settings, host: string): string[] {
  return settings.values('hostname', '%h').flatMap((value) => {
    const name = expandHostName(value, host);
    return name === undefined || name.length > MAX_NAME ? [] : (canonicalAddress(name) ?? lowerCase(name));
  });
}

/** resolve_canonicalize without asking DNS: the name as it is, and with each domain behind it. */
function canonicalHosts(settings: Settings, host: string): string[] {
  if (canonicalAddress(host) !== undefined) return [host];
  if (host.endsWith('.')) return [host, host.slice(0, -1)];
  const dots = host.split('.').length - 1;
  const maxDots = Math.max(...settings.values('canonicalizemaxdots', '1').map(Number));
  if (dots > maxDots) return [host];
  const domains = settings.values('canonicaldomains').flatMap((list) => list.split(' '));
  return [
    ...domains.filter((domain) => domain !== 'none').map((domain) => `${host}.${lowerCase(domain)}`),
    host,
  ];
}

function namesOf(settings: Settings, hosts: readonly string[]): string[] {
  const aliases = settings.values('hostkeyalias', '').filter((alias) => alias !== '');
  const names = aliases.map(lowerCase);
  // A settled alias is the only name that ssh looks up (get_hostfile_hostname_ipaddr).
  if (!settings.values('hostkeyalias', '').includes('')) return names;
  const ports = settings.values('port', '22').map(Number);
  const valid = ports.filter((port) => Number.isInteger(port) && port > 0 && port < 65536);
  return [...names, ...hosts.flatMap((host) => [...valid.map((port) => withPort(host, port)), host])];
}

async function readConfiguration(pass: Pass, args: SshArguments, context: CallerContext): Promise<boolean> {
  const userDirectory = join(context.home, '.ssh');
  if (args.configFile !== undefined) {
    if (args.configFile.toLowerCase() === 'none') return false;
    return readConfigFile(resolve(context.cwd, args.configFile), userDirectory, pass);
  }
  const system = context.systemConfig ?? '/etc/ssh/ssh_config';
  const userWants = await readConfigFile(join(userDirectory, 'config'), userDirectory, pass);
  const systemWants = await readConfigFile(system, dirname(system), pass);
  return userWants || systemWants;
}

/** The login name, where exactly one is said; tokens and variables in it are not expanded. */
function userOf(settings: readonly Settings[]): string | undefined {
  const users = new Set(settings.flatMap((each) => each.values('user', '')));
  const [user = ''] = users;
  return users.size === 1 && user !== '' && !/[%$]/.test(user) ? user : undefined;
}

/**
 * Takes ssh's whole argument vector, the program's name first (as /proc/PID/cmdline has it). No candidates where ssh
 * would refuse the arguments. Throws WardenError `limit_exceeded` where the configuration is too much to follow.
 */
export async function callerWords(argv: readonly string[], context: CallerContext): Promise<CallerWords> {
  const args = parseSshArguments(argv);
  if (args === undefined || args.host.length > MAX_NAME) return NOTHING;
  const settings = new Settings();
  for (const { keyword, words } of args.assignments) settings.assign(keyword, words, 'yes');
  const first: Pass = {
    files: new ConfigFiles(context.home),
    localUser: context.localUser,
    host: args.host,
    originalHost: args.host,
    finalPass: false,
    settings,
  };
  const wantsFinal = await readConfiguration(first, args, context);
  const hosts = hostsOf(settings, args.host);
  const canonicalizes = settings
    .values('canonicalizehostname', 'no')
    .map((value) => !/^(?:no|false)$/i.test(value));

  const readings: { settings: Settings; hosts: readonly string[] }[] = [];
  if (wantsFinal || canonicalizes.includes(true)) {
    const canonical = canonicalizes.includes(true)
      ? hosts.flatMap((host) => canonicalHosts(settings, host))
      : hosts;
    for (const host of [...new Set(canonical)].slice(0, MAX_FINAL_PASSES)) {
      const pass: Pass = { ...first, host, finalPass: true, settings: settings.with('hostname', host) };
      await readConfiguration(pass, args, context);
      readings.push({ settings: pass.settings, hosts: [host] });
    }
  }
  if (!wantsFinal && canonicalizes.includes(false)) readings.push({ settings, hosts });

  const names = readings.flatMap((reading) => namesOf(reading.settings, reading.hosts)).filter(isLiteralName);
  return {
    candidates: [...new Set(names)].slice(0, MAX_CANDIDATES),
    user: userOf(readings.map((reading) => reading.settings)),
  };
}
