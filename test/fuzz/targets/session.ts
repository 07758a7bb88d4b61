/** Targets: a connection's session-binds in their order, and the guard before a minted key signs. */
import { FrameReader } from '../../../agent/protocol/frames.ts';
import { MESSAGE, parseSessionBind, parseSignRequest } from '../../../agent/protocol/messages.ts';
import { type Binding, Bindings, MAX_BINDINGS, plainKeyOf } from '../../../agent/session/binding.ts';
import { type Guarded, guardSignature } from '../../../agent/session/guard.ts';
import { WardenError } from '../../../src/errors.ts';
import { parseCertificate } from '../../../src/ssh/certificate.ts';
import { parseUserauthRequest, type UserauthRequest } from '../../../src/ssh/userauth.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import type { Corpus } from '../corpus.ts';
import { must, outcomeOf, type Target } from '../target.ts';

function pair(hostKey: Buffer, sessionId: Buffer): string {
  return `${plainKeyOf(hostKey).toString('base64')} ${sessionId.toString('base64')}`;
}

/** Which plain host key has signed which session, of the genuine binds. */
function genuineBinds(corpus: Corpus): ReadonlySet<string> {
  const binds = corpus.seeds('bindings').flatMap(({ bytes }) => new FrameReader().push(bytes));
  return new Set(
    binds.map((message) => {
      const { hostKey, sessionId } = parseSessionBind(message);
      return pair(hostKey, sessionId);
    }),
  );
}

async function add(bindings: Bindings, message: Buffer): Promise<string> {
  const before = bindings.tainted;
  try {
    await bindings.add(message);
    must(bindings.tainted === before, 'a bind that is taken neither taints nor cleans');
    return 'taken';
  } catch (thrown) {
    const outcome = outcomeOf(thrown);
    if (outcome.kind === 'finding') throw thrown;
    must(thrown instanceof WardenError && thrown.code === 'bad_binding', 'a refusal is a bad_binding');
    must(bindings.tainted, 'a refused bind taints the connection');
    return outcome.signature;
  }
}

/** Input: frames, each of them given to the same connection as a session-bind. */
export function bindings(corpus: Corpus): Target {
  const genuine = genuineBinds(corpus);
  return {
    name: 'bindings',
    words: ['session-bind@openssh.com', 'ssh-ed25519', 'ssh-ed25519-cert-v01@openssh.com'],
    async run(input) {
      const connection = new Bindings();
      const ways: string[] = [];
      for (const message of new FrameReader().push(input)) ways.push(await add(connection, message));
      const { all } = connection;
      must(all.length <= MAX_BINDINGS, 'there are not too many');
      must(
        all.every(({ hostKey, sessionId }) => genuine.has(pair(hostKey, sessionId))),
        'every binding is genuine',
      );
      const ids = new Set(all.map(({ sessionId }) => sessionId.toString('hex')));
      must(ids.size === all.length, 'each session is bound once');
      must(
        all.slice(0, -1).every(({ forwarded }) => forwarded),
        'only the last may be final',
      );
      return [`${Math.min(3, all.length)} bound`, ...new Set(ways)].join(' | ').slice(0, 300);
    },
  };
}

function loginData({ sessionId, user, algorithm, key, hostKey }: UserauthRequest): Buffer {
  const writer = new Writer().string(sessionId).u8(50).string(user).string('ssh-connection');
  writer.string(hostKey === undefined ? 'publickey' : 'publickey-hostbound-v00@openssh.com');
  writer.bool(true).string(algorithm).string(key);
  return (hostKey === undefined ? writer : writer.string(hostKey)).done();
}

/** The identity that the genuine request `seed-login` was made for. */
function identityOf(corpus: Corpus): Guarded & { readonly binding: Binding } {
  const seed = corpus.seeds('sign-request').find(({ name }) => name === 'login');
  if (seed === undefined) throw new Error('the corpus has no sign-request/seed-login');
  const request = parseSignRequest(seed.bytes);
  const { sessionId, hostKey = Buffer.alloc(0) } = parseUserauthRequest(request.data);
  return {
    binding: { sessionId, hostKey, forwarded: false },
    forwarded: false,
    isHostKey: (key) => key.equals(hostKey),
    logins: ['root', 'ops'],
    user: undefined,
    certificate: request.key,
    publicKey: parseCertificate(request.key).publicKey,
  };
}

/** Input: a sign request, as the agent gets it. */
export function signRequest(corpus: Corpus): Target {
  const identity = identityOf(corpus);
  return {
    name: 'sign-request',
    words: [
      'ssh-connection',
      'publickey',
      'publickey-hostbound-v00@openssh.com',
      'root',
      'ops',
      'SSHSIG',
      'ssh-ed25519',
      'ssh-ed25519-cert-v01@openssh.com',
    ],
    run(input) {
      const request = parseSignRequest(
        Buffer.concat([Buffer.from([MESSAGE.signRequest]), input.subarray(1)]),
      );
      const login = guardSignature(request, identity);
      must(loginData(login).equals(request.data), 'the login is the data again');
      must(request.flags === 0, 'there are no flags');
      must(login.sessionId.equals(identity.binding.sessionId), 'it is the bound session');
      must(identity.logins.includes(login.user), 'the login name is allowed');
      const hostBound = login.hostKey?.equals(identity.binding.hostKey);
      must(hostBound !== false, 'it is the bound host key');
      const certified = login.key.equals(identity.certificate);
      must(certified || login.key.equals(identity.publicKey), 'it is the minted key');
      return `login, host-bound ${hostBound}, certificate ${certified}`;
    },
  };
}
