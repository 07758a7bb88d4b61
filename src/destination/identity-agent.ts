/**
 * Which agent an ssh asks: the values of IdentityAgent, and the socket that one leads to. ssh.c (main: "optionally set the
 * SSH_AUTHSOCKET_ENV_NAME variable", default_client_percent_dollar_expand), misc.c (tilde_expand_filename), ssh_config(5) TOKENS.
 * Pure. Left out, and so undecided: `~user`, the tokens `%C`, `%j`, `%k`, `%L`.
 */
import { hostname } from 'node:os';

export const SSH_AUTH_SOCK = 'SSH_AUTH_SOCK';
const REFERENCE = /\$\{([^}]*)\}/g;

/** What the tokens stand for; undefined where ssh's configuration leaves it open. */
export interface AgentTokens {
  readonly home: string;
  readonly host: string | undefined;
  readonly originalHost: string;
  readonly port: string | undefined;
  readonly remoteUser: string | undefined;
  readonly localUser: string;
}

/** The value with `~/` and the tokens put in; undefined where one of them can't be known here. */
export function expandTokens(value: string, tokens: AgentTokens): string | undefined {
  if (value.startsWith('~') && !value.startsWith('~/')) return undefined;
  const meanings: Readonly<Record<string, string | undefined>> = {
    '%': '%',
    d: tokens.home,
    h: tokens.host,
    i: String(process.getuid?.()),
    l: hostname(),
    n: tokens.originalHost,
    p: tokens.port,
    r: tokens.remoteUser,
    u: tokens.localUser,
  };
  const path = value.startsWith('~/') ? `${tokens.home}${value.slice(1)}` : value;
  let known = true;
  const expanded = path.replace(/%(.?)/gs, (_, token: string) => {
    const meaning = meanings[token];
    // ssh puts tokens and variables in at once: what looks like a variable inside a token is none.
    if (meaning === undefined || meaning.includes('${')) known = false;
    return meaning ?? '';
  });
  return known ? expanded : undefined;
}

/** The variables that decide which socket the expanded values lead to: SSH_AUTH_SOCK, and those that they name. */
export function variablesOf(values: readonly string[]): string[] {
  return values.flatMap((value) => {
    if (value === SSH_AUTH_SOCK) return [SSH_AUTH_SOCK];
    if (/^\$[^{]/.test(value)) return [value.slice(1)];
    return [...value.matchAll(REFERENCE)].map(([, name = '']) => name);
  });
}

/** The path of the socket that an expanded value leads to; empty where ssh then has no agent. */
export function agentSocket(value: string, environment: ReadonlyMap<string, string>): string {
  if (value === 'none') return '';
  if (value === SSH_AUTH_SOCK) return environment.get(SSH_AUTH_SOCK) ?? '';
  if (/^\$[^{]/.test(value)) return environment.get(value.slice(1)) ?? '';
  return value.replace(REFERENCE, (_, name: string) => environment.get(name) ?? '');
}
