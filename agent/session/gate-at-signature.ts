/** A lane with `gate_at: sign`: the gate is asked once more when the login name is known, from the data to sign. */
import { asWardenError, WardenError } from '../../src/errors.ts';
import { GATE_DEADLINE_MS } from '../../src/policy/decision-point.ts';
import { type Gate, GateRefusal, type PolicyRecord } from '../../src/policy/gate.ts';
import { signingQuestion } from '../../src/policy/signing.ts';
import type { MintedIdentity } from '../keystore/minted-identity.ts';

/** What the gate said; undefined where the lane does not want it asked. Throws GateRefusal. */
export async function passGateAtSignature(
  gate: Gate,
  { lane, host, minted, publicKey, purpose }: MintedIdentity,
  user: string,
): Promise<PolicyRecord | undefined> {
  if (lane.gateAt === 'list') return undefined;
  const { principals } = minted.certificate;
  const request = {
    ask: { ...lane, principals, ttlSeconds: minted.ttlSeconds },
    publicKey,
    login: { lane: lane.id, host, via: purpose.via },
    logins: lane.logins,
  };
  const { record, narrowing } = await gate.ask(signingQuestion(request, user), GATE_DEADLINE_MS);
  const tooLong = narrowing.ttlSeconds !== undefined && narrowing.ttlSeconds < minted.ttlSeconds;
  const tooWide =
    narrowing.principals !== undefined && principals.some((each) => !narrowing.principals?.includes(each));
  if (!tooLong && !tooWide) return record;
  const error = new WardenError('policy_denied', 'the gate would narrow a certificate that is made already', {
    hint: 'narrow when the list is asked for, not at the signature',
  });
  throw new GateRefusal(asWardenError(error), { ...record, allow: false });
}
