/**
 * Host names as known_hosts and ssh_config write and match them: OpenSSH's match.c (match_pattern,
 * match_pattern_list, match_hostname) and misc.c (put_host_port, lowercase). Left out: CIDR lists, locales, the
 * limit of 1,023 characters for one pattern.
 */

/** A DNS name has at most 253 characters; room for brackets and a port. */
export const MAX_NAME = 264;
export const SSH_PORT = 22;

/** ASCII only, as tolower(3) in the C locale: Unicode's rules would turn a Kelvin sign into a `k`. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The name under which ssh looks a host up: `host`, or `[host]:port` where the port is not 22 (put_host_port). */
export function withPort(host: string, port: number | undefined): string {
  return port === undefined || port === SSH_PORT ? host : `[${host}]:${port}`;
}

/** `web1` of `[web1]:2222`; any other name as it is. */
export function withoutPort(name: string): string {
  return /^\[(.+)\]:\d{1,5}$/.exec(name)?.[1] ?? name;
}

/** Whether the text can be one name: printable ASCII without the characters that known_hosts gives a meaning. */
export function isLiteralName(text: string): boolean {
  return text.length > 0 && text.length <= MAX_NAME && /^[!-~]+$/.test(text) && !/[*?,"#]|^[!|@]/.test(text);
}

/** One place of a wildcard pattern: any run of characters, or one character that passes. */
export type Wildcard = '*' | ((char: string) => boolean);

/** Whether the whole text matches. Only the last `*` is ever retried, so the work is at most text × pattern. */
export function matchWildcards(text: string, pattern: readonly Wildcard[]): boolean {
  let at = 0;
  let place = 0;
  let retryPlace = -1;
  let retryAt = 0;
  while (at < text.length) {
    const wanted = pattern[place];
    if (wanted === '*') {
      place += 1;
      retryPlace = place;
      retryAt = at;
    } else if (wanted?.(text.charAt(at)) === true) {
      place += 1;
      at += 1;
    } else if (retryPlace >= 0) {
      place = retryPlace;
      retryAt += 1;
      at = retryAt;
    } else {
      return false;
    }
  }
  while (pattern[place] === '*') place += 1;
  return place === pattern.length;
}

/** match_pattern: `*` any characters, `?` exactly one; the case counts. */
export function matchPattern(text: string, pattern: string): boolean {
  if (!/[*?]/.test(pattern)) return text === pattern;
  const places = Array.from(pattern, (char): Wildcard => {
    if (char === '*') return '*';
    return char === '?' ? () => true : (other) => other === char;
  });
  return matchWildcards(text, places);
}

/** match_pattern_list without lower-casing: a comma list; a matching `!pattern` voids the whole list, and alone proves nothing. */
export function matchPatternList(text: string, list: string): boolean {
  let positive = false;
  for (const item of list.split(',')) {
    const negated = item.startsWith('!');
    const pattern = negated ? item.slice(1) : item;
    if (!matchPattern(text, pattern)) continue;
    if (negated) return false;
    positive = true;
  }
  return positive;
}

/** match_hostname: a comma list against a host name, both in lower case. */
export function matchHostname(host: string, list: string): boolean {
  return matchPatternList(lowerCase(host), lowerCase(list));
}
