/**
 * Target: an upstream's answer to a list request, cleaned for ssh. The judge is ssh-add: the cleaned list must be one that it takes, and
 * nothing may be missing that it would have taken from the upstream itself.
 */
import { MAX_FRAME } from '../../../agent/protocol/frames.ts';
import {
  encodeIdentities,
  type Identity,
  MAX_IDENTITIES,
  parseIdentities,
} from '../../../agent/protocol/messages.ts';
import { cleanList } from '../../../agent/upstream/clean-list.ts';
import { Reader } from '../../../src/ssh/wire.ts';
import { run } from '../../support/process.ts';
import { type FakeUpstream, startFakeUpstream } from '../../unit/agent/fake-upstream.ts';
import { must, type Target } from '../target.ts';

let upstream: FakeUpstream | undefined;

/** What `ssh-add -L` prints of a list; undefined where it drops everything. */
async function listedBySsh(message: Buffer): Promise<string | undefined> {
  upstream ??= await startFakeUpstream(() => message);
  upstream.behaviour = () => message;
  const { code, stdout, stderr } = await run('ssh-add', ['-L'], { env: { SSH_AUTH_SOCK: upstream.socket } });
  if (code === 0) return stdout;
  return code === 1 && (stdout + stderr).includes('no identities') ? '' : undefined;
}

/** Ends what the judge has started. */
export async function stopJudging(): Promise<void> {
  await upstream?.stop();
  upstream = undefined;
}

/** The beginning of the line that ssh-add prints for a key. */
function lineOf({ blob }: Identity): string {
  try {
    return `${new Reader(blob).text()} ${blob.toString('base64')}`;
  } catch {
    return '(no key)';
  }
}

function identitiesOf(message: Buffer): readonly Identity[] | undefined {
  try {
    return message[0] === 12 ? parseIdentities(message) : undefined;
  } catch {
    return undefined;
  }
}

/** As large as minted ones are, about. */
const CERTIFICATE: Identity = { blob: Buffer.alloc(2048, 1), comment: 'warden' };

export const list: Target = {
  name: 'list',
  words: [
    'ssh-ed25519',
    'ssh-rsa',
    'ssh-dss',
    'ECDSA',
    'ssh-future@example.com',
    'ssh-ed25519-cert-v01@openssh.com',
    '\xff\xff\xff\xff',
  ],
  async run(whole) {
    const input = whole.subarray(0, MAX_FRAME);
    const cleaned = await cleanList(input);
    const message = encodeIdentities(cleaned);
    must(identitiesOf(message)?.length === cleaned.length, 'none of them is left out for want of room');
    must(cleaned.length < MAX_IDENTITIES, 'there is room for a certificate beside them');
    must(message.length <= MAX_FRAME, 'the list fits a frame');
    must(
      cleaned.every(({ comment }) => !comment.includes('\0')),
      'no comment holds a NUL',
    );
    const given = new Set(identitiesOf(input)?.map(({ blob }) => blob.toString('base64')));
    must(
      cleaned.every(({ blob }) => given.has(blob.toString('base64'))),
      'every identity is one of the upstream',
    );
    // Whatever the upstream sends, there is room for a certificate in front.
    const beside = encodeIdentities([CERTIFICATE, ...cleaned]);
    must(
      beside.length <= MAX_FRAME && parseIdentities(beside)[0]?.comment === CERTIFICATE.comment,
      'a certificate fits beside it',
    );
    const again = await cleanList(message);
    must(encodeIdentities(again).equals(message), 'a clean list stays as it is');
    return `${Math.min(3, cleaned.length)} kept, ${Math.max(0, Math.min(3, given.size - cleaned.length))} dropped`;
  },
  async judge(input) {
    const cleaned = await listedBySsh(encodeIdentities(await cleanList(input)));
    must(cleaned !== undefined, 'ssh-add takes the cleaned list');
    const identities = identitiesOf(input);
    if (identities === undefined) return;
    const direct = await listedBySsh(input);
    if (direct === undefined) return;
    for (const line of new Set(identities.map(lineOf)))
      must(
        !direct.includes(line) || cleaned?.includes(line) === true,
        `ssh-add would have taken ${line.slice(0, 200)}`,
      );
  },
};
