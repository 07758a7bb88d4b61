/**
 * The caller's own words: under which names may the ssh that connected look its host up, and which agent does it ask? Its
 * arguments, taken through the ssh_config that it reads, as ssh.c's main() does it: configuration, HostName, canonicalization,
 * final pass. The names are guesses that known_hosts and the verified key prove or not. Nothing is executed and nothing is
 * resolved: what would need that (Match exec, CanonicalDomains) gives more guesses instead. Left out: CNAMEs, tokens in User,
 * an ssh built with another place for its system configuration.
 *
 * Which of them can stand for the destination (promise 1 of the design) is stricter. Where a block that only perhaps applies
 * (Match exec, localnetwork, ...) sets HostName, Port, HostKeyAlias or how names are canonicalized, none does: ssh may be on its
 * way to either host, and one of them could take the other's certificate. A HostKeyAlias before the block decides it. What
 * such a block sets besides (ProxyJump, User, IdentityFile) does no harm. Accepted limit: with CanonicalizeHostname the name
 * stands in each of CanonicalDomains, so web1.a.example could pass for web1.b.example.
 */
import { SocketAddress } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { CallerWords, ToldName } from './destination.ts';
import { isLiteralName, lowerCase, MAX_NAME, withPort } from './host-name.ts';
import { expandTokens, SSH_AUTH_SOCK } from './identity-agent.ts';
import { parseSshArguments, type SshArguments } from './ssh-arguments.ts';
import { expandHostName, type Pass, readConfigFile, Settings } from './ssh-config.ts';
import { ConfigFiles, cannotFollow } from './ssh-config-files.ts';

/** Canonical names for which the configuration is read again. */
const MAX_FINAL_PASSES = 40;
export const MAX_CANDIDATES = 256;
const NOTHING: CallerWords = { candidates: [], told: [], user: undefined, agents: [] };

export interface CallerContext {
  /** ssh's working directory, where a relative `-F` starts; undefined where it is not known. */
  readonly cwd: string | undefined;
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
      return host.includes('%')
        ? lowerCase(host)
        : new SocketAddress({ address: host, family: 'ipv6' }).address;
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

function namesOf(settings: Settings, hosts: readonly string[]): ToldName[] {
  const aliases = settings.values('hostkeyalias', '').filter((alias) => alias !== '');
  const names = aliases.map((alias) => ({ name: lowerCase(alias) }));
  // A settled alias is the only name that ssh looks up (get_hostfile_hostname_ipaddr).
  if (!settings.values('hostkeyalias', '').includes('')) return names;
  const ports = settings.values('port', '22').map(Number);
  const valid = ports.filter((port) => Number.isInteger(port) && port > 0 && port < 65536);
  const lookedUp = hosts.flatMap((host) => {
    const first = valid.map((port) => withPort(host, port));
    const ported = first.filter((name) => name !== host);
    return [...first.map((name) => ({ name })), ...ported.map((name) => ({ name: host, fallbackOf: name }))];
  });
  return [...names, ...lookedUp];
}

const NAMING = [
  'hostname',
  'port',
  'canonicalizehostname',
  'canonicaldomains',
  'canonicalizemaxdots',
] as const;

/** Whether the settings leave no doubt about which host is meant. A certain alias beats all else. */
function isDecided(settings: Settings): boolean {
  if (settings.isOpen('hostkeyalias')) return false;
  return settings.values('hostkeyalias').length > 0 || !NAMING.some((keyword) => settings.isOpen(keyword));
}

/** The file of `-F`, which ssh must have read: without it nobody knows where ssh goes. */
async function givenFile(path: string, pass: Pass, { cwd }: CallerContext): Promise<string> {
  const file = resolve(cwd ?? '/', path);
  // Below these a path means another file to each process.
  const ownToSsh = /^\/(?:dev\/fd|proc)\//.test(file) || (cwd === undefined && !path.startsWith('/'));
  if (ownToSsh || (await pass.files.lines(file)) === undefined) {
    throw cannotFollow(`-F ${path}`, "can't be read", 'give ssh its configuration in a regular file');
  }
  return file;
}

async function readConfiguration(pass: Pass, args: SshArguments, context: CallerContext): Promise<boolean> {
  const userDirectory = join(context.home, '.ssh');
  if (args.configFile !== undefined) {
    if (args.configFile.toLowerCase() === 'none') return false;
    return readConfigFile(await givenFile(args.configFile, pass, context), userDirectory, pass);
  }
  const system = context.systemConfig ?? '/etc/ssh/ssh_config';
  const userWants = await readConfigFile(join(userDirectory, 'config'), userDirectory, pass);
  const systemWants = await readConfigFile(system, dirname(system), pass);
  return userWants || systemWants;
}

/** The login name, where there is exactly one; tokens and variables in it are not expanded. */
function userOf(settings: readonly Settings[], localUser: string): string | undefined {
  const users = new Set(settings.flatMap((each) => each.values('user', localUser)));
  const [user = ''] = users;
  return users.size === 1 && user !== '' && !/[%$]/.test(user) ? user : undefined;
}

interface Reading {
  readonly settings: Settings;
  readonly hosts: readonly string[];
}

function onlyOne(values: readonly string[]): string | undefined {
  return new Set(values).size === 1 ? values[0] : undefined;
}

/** The values of IdentityAgent over all readings, expanded; none where one of them can't be. */
function agentsOf(
  readings: readonly Reading[],
  originalHost: string,
  remoteUser: string | undefined,
  context: CallerContext,
): string[] {
  const tokens = {
    home: context.home,
    host: onlyOne(readings.flatMap(({ hosts }) => hosts)),
    originalHost,
    port: onlyOne(readings.flatMap(({ settings }) => settings.values('port', '22'))),
    remoteUser,
    localUser: context.localUser,
  };
  const values = readings.flatMap(({ settings }) => settings.values('identityagent', SSH_AUTH_SOCK));
  const agents = [...new Set(values)].map((value) => expandTokens(value, tokens));
  const known = agents.filter((agent) => agent !== undefined);
  return known.length === agents.length ? known : [];
}

/** The host as it was typed, before any configuration: for messages, where the configuration can't be followed. */
export function typedWords(argv: readonly string[]): CallerWords {
  const host = parseSshArguments(argv)?.host;
  return host === undefined ? NOTHING : { ...NOTHING, candidates: [lowerCase(host)].filter(isLiteralName) };
}

/**
 * Takes ssh's whole argument vector, the program's name first (as /proc/PID/cmdline has it). No candidates where ssh
 * would refuse the arguments. Throws WardenError `limit_exceeded` where the configuration can't be followed in bounded time.
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

  const readings: Reading[] = [];
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

  const names = readings
    .flatMap((reading) => namesOf(reading.settings, reading.hosts))
    .filter(({ name }) => isLiteralName(name));
  const decided = [settings, ...readings.map((reading) => reading.settings)].every(isDecided);
  const user = userOf(
    readings.map((reading) => reading.settings),
    context.localUser,
  );
  return {
    candidates: [...new Set(names.map(({ name }) => name))].slice(0, MAX_CANDIDATES),
    told: decided ? names.slice(0, MAX_CANDIDATES) : [],
    user,
    agents: agentsOf(readings, args.host, user, context),
  };
}
