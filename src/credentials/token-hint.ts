/**
 * How to come by a token where there is none, in one sentence: the person's own ways, and the lane of the catalog that the platform's credential
 * broker serves. Left out: reading that lane.
 */

/** The lane, its grant and how long what it gives is good for. */
const LANE = 'ops-warden-warden-sign-token';
const GRANT = 'ops-warden/warden-sign';
const TTL = '15m';

/** For the hint of an error. */
export function howToGetToken(): string {
  const broker = `scripts/credential.py exec --grant ${GRANT} --purpose WHY --ttl ${TTL} -- COMMAND`;
  return `bao login, or warden login where openbao.auth has a way for people; for one command the credential broker: ${broker} (lane ${LANE})`;
}
