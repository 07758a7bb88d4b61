/**
 * From a verified host key to the names that it is proved to have (promise 1 of the design; sshconnect.c check_host_key,
 * turned round). Readable names on the key's known_hosts lines are read; hashed and pattern lines are only tested against
 * candidates; a host certificate proves its literal principals where its CA may speak for them; a lane's pin proves the
 * lane's exact hosts. Left out: SSHFP records, KnownHostsCommand. Nothing here reads a file or asks anybody.
 */
import type { Lane } from '../catalog/lane.ts';
import { type Certificate, isCertificateType, parseCertificate } from '../ssh/certificate.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { Reader } from '../ssh/wire.ts';
import type { Destination, ProvedName } from './destination.ts';
import { certifiedHosts } from './host-certificate.ts';
import { isLiteralName, lowerCase, withoutPort, withPort } from './host-name.ts';
import { type KnownHostsLine, lineMatcher, literalNames, needsCandidates } from './known-hosts.ts';
import type { KnownHostsView } from './known-hosts-store.ts';

/** Characters of host fields that are tested for one bind: 30,000 hashes, about 100 ms. The likeliest candidates come first. */
export const MAX_TESTED = 2_000_000;

export interface Evidence {
  readonly knownHosts: KnownHostsView;
  readonly lanes: readonly Lane[];
  /** Guesses, most likely first: the caller's words, names proved before. The lanes' exact hosts are added here. */
  readonly candidates: readonly string[];
  /** Seconds since the epoch, for host certificates. */
  readonly nowSeconds: number;
}

function exactHosts(lane: Lane): string[] {
  return lane.hosts.flatMap((host) =>
    host.kind === 'exact' ? [lowerCase(withPort(host.host, host.port))] : [],
  );
}

/** Every name to test. ssh falls back to the plain name where nothing is known of `[host]:port`, so both are tested. */
function candidateNames({ candidates, lanes }: Evidence): string[] {
  const names = [...candidates.map(lowerCase), ...lanes.flatMap(exactHosts)];
  return [...new Set(names.flatMap((name) => [name, withoutPort(name)]))].filter(isLiteralName);
}

interface Covered {
  readonly name: string;
  readonly source: string;
}

/** Which names the lines speak of: the candidates that they match, in their order, then what can be read on them. */
function coveredNames(lines: readonly KnownHostsLine[], candidates: readonly string[]): Covered[] {
  const closed = lines.filter(needsCandidates).map((line) => ({ line, matches: lineMatcher(line) }));
  let tested = 0;
  const guessed = candidates.flatMap((name): Covered[] => {
    const found = closed.find(({ line, matches }) => {
      tested += line.hosts.length;
      return tested <= MAX_TESTED && matches(name);
    });
    return found === undefined ? [] : [{ name, source: found.line.source }];
  });
  const read = lines.flatMap((line) => literalNames(line).map((name) => ({ name, source: line.source })));
  return [...guessed, ...read];
}

/** The names that the certificate proves: a CA line matches the name as ssh looks it up, the principal is the plain host. */
function certificateNames(
  cert: Certificate,
  evidence: Evidence,
  candidates: readonly string[],
): ProvedName[] {
  const hosts = certifiedHosts(cert, evidence.nowSeconds);
  if (hosts.length === 0) return [];
  const certified = (name: string): boolean => hosts.includes(withoutPort(name));
  const guesses = [...new Set([...candidates, ...hosts])].filter(certified);
  const caLines = evidence.knownHosts
    .linesOf(cert.signatureKey)
    .filter(({ marker }) => marker === 'cert-authority');
  const byLine = coveredNames(caLines, guesses)
    .filter(({ name }) => certified(name))
    .map(({ name, source }): ProvedName => ({ name, how: 'host_certificate', source }));
  const ca = fingerprint(cert.signatureKey);
  const byLane = evidence.lanes
    .filter(({ hostCa }) => hostCa.includes(ca))
    .flatMap(({ id }) =>
      guesses.map((name): ProvedName => ({ name, how: 'host_certificate', source: id, lane: id })),
    );
  return [...byLine, ...byLane];
}

/** One proof for each name; one that only a single lane accepts stands beside others only where there is no general one. */
function withoutDuplicates(proofs: readonly ProvedName[]): ProvedName[] {
  const general = new Map<string, ProvedName>();
  const ofLane = new Map<string, ProvedName>();
  for (const proof of proofs) {
    const [kept, key] =
      proof.lane === undefined ? [general, proof.name] : [ofLane, `${proof.lane}\n${proof.name}`];
    if (!kept.has(key)) kept.set(key, proof);
  }
  return [...general.values(), ...[...ofLane.values()].filter(({ name }) => !general.has(name))];
}

/**
 * Takes the key blob of a *verified* bind, plain or a host certificate, and what may prove its names.
 * A key that any @revoked line names, or whose CA one names, has no names. A certificate that proves nothing leaves the
 * plain key's own lines (ssh falls back to them too).
 * Throws WardenError `malformed`, `bad_key` or `bad_certificate` where the blob is no key.
 */
export function resolveDestination(hostKey: Buffer, evidence: Evidence): Destination {
  const cert = isCertificateType(new Reader(hostKey).text(64)) ? parseCertificate(hostKey) : undefined;
  const plain = cert?.publicKey ?? hostKey;
  const print = fingerprint(plain);
  const keyLines = evidence.knownHosts.linesOf(plain);
  const caLines = cert === undefined ? [] : evidence.knownHosts.linesOf(cert.signatureKey);
  const revoked = [...keyLines, ...caLines].some(({ marker }) => marker === 'revoked');
  if (revoked) return { hostKey, fingerprint: print, revoked, names: [] };

  const candidates = candidateNames(evidence);
  const ownLines = keyLines.filter(({ marker }) => marker === 'none');
  const byKnownHosts = coveredNames(ownLines, candidates).map(
    ({ name, source }): ProvedName => ({ name, how: 'known_hosts', source }),
  );
  const byCertificate = cert === undefined ? [] : certificateNames(cert, evidence, candidates);
  const byPin = evidence.lanes
    .filter(({ hostKeys }) => hostKeys.includes(print))
    .flatMap((lane) =>
      exactHosts(lane).map(
        (name): ProvedName => ({ name, how: 'host_key_pin', source: lane.id, lane: lane.id }),
      ),
    );
  const names = withoutDuplicates([...byKnownHosts, ...byCertificate, ...byPin]);
  return { hostKey, fingerprint: print, revoked, names };
}
