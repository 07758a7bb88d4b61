/** Minted identities without a mint: fresh keys, each with a certificate by a CA that nobody asks for. */
import { generateKeyPairSync } from 'node:crypto';
import { FreshKey } from '../../../agent/keystore/fresh-key.ts';
import { MintedIdentity, type Purpose } from '../../../agent/keystore/minted-identity.ts';
import type { Issued } from '../../../agent/keystore/shared-identities.ts';
import type { Lane } from '../../../src/catalog/lane.ts';
import { writeCertificate } from '../../../src/lab/certificate-writer.ts';
import { parseCertificate } from '../../../src/ssh/certificate.ts';

const CA = generateKeyPairSync('ed25519').privateKey;
const TTL_S = 120;

export const LANE: Lane = {
  id: 'web',
  title: 'web',
  source: 'x:1',
  hosts: [],
  hostKeys: [],
  hostCa: [],
  actor: { name: 'adm-x', type: 'adm', principals: ['ops'], ttlSeconds: 3600, description: '', files: false },
  logins: ['ops'],
  principals: ['ops'],
  ttlSeconds: TTL_S,
  role: 'dev',
  extensions: undefined,
  criticalOptions: {},
  upstream: 'hide',
  forwarded: [],
  unbound: true,
  reuseMs: 0,
  gateAt: 'list',
  deadlineMs: 3_000,
  waitForLoginMs: 0,
};

/** A key with its certificate, made now. */
export function issue(): Issued<FreshKey> {
  const key = new FreshKey();
  const fields = {
    publicKey: key.publicKey,
    serial: 1n,
    certType: 'user',
    keyId: 'k',
    principals: ['ops'],
    validAfter: 1_000n,
    validBefore: 1_000n + BigInt(TTL_S),
    criticalOptions: {},
    extensions: {},
  } as const;
  const blob = writeCertificate(fields, CA);
  return {
    minted: { corr: 'c', ttlSeconds: TTL_S, blob, certificate: parseCertificate(blob) },
    key,
    at: performance.now(),
  };
}

/** An identity of a destination socket, of no holder unless one is given. */
export function unboundIdentity(holder?: string): MintedIdentity {
  const purpose: Purpose = {
    lane: LANE,
    host: 'web1',
    binding: undefined,
    forwarded: false,
    via: [],
    user: undefined,
    holder,
    isHostKey: () => true,
  };
  return new MintedIdentity(purpose, issue());
}
