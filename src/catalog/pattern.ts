/**
 * Entries of a lane's `hosts`: exact names, CIDR networks, globs (`*`, `?`), each also as `[host]:port`. How good a match
 * is: exact before CIDR by prefix before glob by literal characters (design, "Lane choice"). Names are in known_hosts
 * form, lower case. Source of the glob's meaning: OpenSSH match.c match_pattern(); negation is left out.
 */

import { matchPattern as globMatches, lowerCase } from '../destination/host-name.ts';
import { contains, isNetwork, parseAddress } from './address.ts';
import type { HostPattern } from './lane.ts';

const MAX_LENGTH = 255;

/** `host`, or `[host]:port`. Port 22 is no port, as OpenSSH's put_host_port() writes it. */
export function splitPort(text: string): { host: string; port: number | undefined } | undefined {
  const [, inside, digits] = /^\[([^[\]]+)\]:(\d{1,5})$/.exec(text) ?? [];
  if (inside === undefined || digits === undefined) return { host: text, port: undefined };
  const port = Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  return { host: inside, port: port === 22 ? undefined : port };
}

/** The pattern that `text` is, or what is wrong with it. */
export function parsePattern(text: string): HostPattern | { readonly wrong: string; readonly hint: string } {
  const lower = lowerCase(text);
  const split = splitPort(lower);
  if (split === undefined) return { wrong: 'the port must be 1 to 65535', hint: 'write [host]:port' };
  const { host, port } = split;
  if (host.includes(',')) return { wrong: 'is several patterns', hint: 'write one list entry for each' };
  if (host.startsWith('!'))
    return { wrong: 'negation is not for lanes', hint: 'write the patterns that match' };
  if (host === '' || host.length > MAX_LENGTH) {
    return { wrong: `must have 1 to ${MAX_LENGTH} characters`, hint: 'write a host, a network or a glob' };
  }
  if (host.includes('/')) return parseCidr(lower, host, port);
  if (!/^[a-z0-9._:%*?-]+$/.test(host)) {
    return {
      wrong: 'is not a host name, address or glob',
      hint: 'write letters, digits and . _ - : with * and ? as wildcards; a port as [host]:port',
    };
  }
  // `host:22`, meant as a port, would be a name that never matches; IPv6 addresses and globs over them have two colons.
  if (!host.startsWith(':') && host.split(':').length === 2 && !/[*?]/.test(host)) {
    return { wrong: 'has a port without brackets', hint: `write [${host.replace(':', ']:')}` };
  }
  if (/[*?]/.test(host)) {
    return { kind: 'glob', text: lower, host, literals: host.replace(/[*?]/g, '').length, port };
  }
  return { kind: 'exact', text: lower, host, port };
}

function parseCidr(text: string, host: string, port: number | undefined): ReturnType<typeof parsePattern> {
  const [, base = '', digits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(host) ?? [];
  const network = parseAddress(base);
  const prefix = Number(digits);
  if (network === undefined || prefix > network.bits) {
    return { wrong: 'is not a network', hint: 'write address/prefix: 10.20.0.0/16, 2001:db8::/32' };
  }
  if (!isNetwork(network, prefix)) {
    return {
      wrong: `has bits set past /${prefix}`,
      hint: `write the network’s own address, or a longer prefix`,
    };
  }
  return { kind: 'cidr', text, address: base, prefix, port };
}

/**
 * How well `pattern` matches a proved name, or undefined for no match; compare with compareMatch(). A name with a port
 * matches only a pattern with the same port.
 */
export function matchPattern(pattern: HostPattern, name: string): Match | undefined {
  const split = splitPort(lowerCase(name));
  if (split === undefined || split.port !== pattern.port) return undefined;
  switch (pattern.kind) {
    case 'exact':
      return pattern.host === split.host ? { rank: 3, weight: 0 } : undefined;
    case 'cidr': {
      const network = parseAddress(pattern.address);
      const address = parseAddress(split.host);
      const inside =
        network !== undefined && address !== undefined && contains(network, pattern.prefix, address);
      return inside ? { rank: 2, weight: pattern.prefix } : undefined;
    }
    case 'glob':
      return globMatches(split.host, pattern.host) ? { rank: 1, weight: pattern.literals } : undefined;
  }
}

/** Rank first (exact 3, CIDR 2, glob 1), then weight (prefix length, literal characters). */
export interface Match {
  readonly rank: number;
  readonly weight: number;
}

/** Above zero when `a` is the better match. */
export function compareMatch(a: Match, b: Match): number {
  return a.rank - b.rank || a.weight - b.weight;
}

/** The same for two texts of one pattern (`2001:DB8::/32`, `2001:db8:0::/32`; `[a]:22`, `a`). */
export function patternKey(pattern: HostPattern): string {
  const port = pattern.port ?? 22;
  if (pattern.kind !== 'cidr') return `${pattern.kind} ${pattern.host} ${port}`;
  const address = parseAddress(pattern.address);
  return `cidr ${address?.bits}:${address?.value} ${pattern.prefix} ${port}`;
}
