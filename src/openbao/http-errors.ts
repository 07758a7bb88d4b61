/** What an exchange with OpenBao may come to beside an answer, in words: from the system's, Node's and OpenSSL's names for it. */
import { errnoOf, WardenError } from '../errors.ts';

/** The system's name of it, or OpenSSL's; its words where it broke a write that waited for the handshake. */
function reasonOf(cause: Error): string {
  const code = errnoOf(cause);
  const words = code === 'EPROTO' ? /SSL routines:[^:]*:([^:]+):/.exec(cause.message)?.[1] : undefined;
  return words === undefined ? code || cause.message : `${code}, ${words}`;
}

/** By OpenSSL's names, and Node's for a certificate of another host (nodejs.org, "TLS: X509 certificate error codes"). */
const TLS_HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /protocol.version|unsupported.protocol/i,
    'TLS 1.2 or newer is wanted, and its listener offers none: tls_min_version, tls_max_version',
  ],
  [
    /alert/i,
    "it refuses this side's TLS certificate: name one that its listener trusts in openbao.client_cert and client_key",
  ],
  [
    /cert|verify/i,
    "its TLS certificate is not trusted: name the CA's file in openbao.ca_cert, or the certificate's name in openbao.tls_server_name",
  ],
];

function tlsHint(cause: Error): string | undefined {
  return TLS_HINTS.find(([pattern]) => pattern.test(reasonOf(cause)))?.[1];
}

/** No connection: nothing was sent. */
export function unreachable(address: string, cause: Error): WardenError {
  return new WardenError('bao_unreachable', `can't reach OpenBao at ${address}: ${reasonOf(cause)}`, {
    hint: tlsHint(cause) ?? 'is it running, and is openbao.addr (or BAO_ADDR) right, http or https?',
    cause,
  });
}

/** It broke after it was made: what was asked may have been done. */
export function disconnected(address: string, cause: Error): WardenError {
  return new WardenError(
    'bao_disconnected',
    `the connection to OpenBao at ${address} broke off: ${reasonOf(cause)}`,
    {
      hint: tlsHint(cause) ?? "look at OpenBao's log, and at what stands between (a proxy, a load balancer)",
      cause,
    },
  );
}

export function timeout(address: string, ms: number): WardenError {
  return new WardenError('bao_timeout', `OpenBao at ${address} did not answer within ${Math.round(ms)} ms`, {
    hint: 'look at its load and at the network between; a lane may allow more: ssh.deadline',
  });
}

export function tooLarge(address: string, bytes: number): WardenError {
  return new WardenError('bao_bad_answer', `OpenBao at ${address} answered with more than ${bytes} bytes`, {
    hint: 'is openbao.addr really an OpenBao?',
  });
}
