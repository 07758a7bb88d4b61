/**
 * Writes the genuine inputs of the corpus anew: keys, certificates and hashes by ssh-keygen, frames that a real ssh sends to its agent
 * during a real login. The private keys are made here and are gone afterwards. `npm run fuzz -- --seeds`.
 */
import { readFileSync } from 'node:fs';
import { encodeFrame } from '../../agent/protocol/frames.ts';
import { encodeIdentities, encodeQueryAnswer, MESSAGE, SUCCESS } from '../../agent/protocol/messages.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { Writer } from '../../src/ssh/wire.ts';
import { type Bind, encodeBind, encodeLoginData, encodeSignRequest, LIST } from '../support/agent-client.ts';
import { newHostKey, syntheticBind } from '../support/binds.ts';
import { certify, type KeyFile, makeKey, publicBlob, readPrivateKey, signBlob } from '../support/keys.ts';
import { hashedLines, knownHostsLine } from '../support/known-hosts.ts';
import { ssh } from '../support/ssh.ts';
import { startSshd } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startFakeUpstream } from '../unit/agent/fake-upstream.ts';
import { build, option, text } from '../unit/ssh/certificate-builder.ts';
import { Certificates, PAIRS } from '../unit/ssh/certificates.ts';
import { securityKey, securityKeySign } from '../unit/ssh/security-key.ts';
import type { Corpus } from './corpus.ts';
import { writeTextSeeds } from './text-seeds.ts';

const TYPES = ['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const;

function blobOf(line: string): Buffer {
  return parsePublicKeyLine(line).blob;
}

async function certificateOf(
  ca: KeyFile,
  key: KeyFile,
  options: Parameters<typeof certify>[2],
): Promise<string> {
  return readFileSync(await certify(ca, key, options), 'utf8');
}

/** What ssh says to its agent while it logs in with a certificate, which never gets its signature. */
async function captureLogin(directory: TempDirectory): Promise<{ messages: Buffer[]; certificate: Buffer }> {
  const ca = await makeKey(directory.path, 'login-ca');
  const key = await makeKey(directory.path, 'login');
  const certificate = blobOf(await certificateOf(ca, key, { principals: ['login'] }));
  const sshd = await startSshd({ userCas: [ca.publicKey], principals: { root: ['login'], ops: ['login'] } });
  const agent = await startFakeUpstream((message) => {
    if (message[0] === MESSAGE.extension) return SUCCESS;
    if (message[0] === MESSAGE.requestIdentities)
      return encodeIdentities([{ blob: certificate, comment: 'login' }]);
    return Buffer.from([MESSAGE.failure]);
  });
  try {
    const file = directory.write('known_hosts_login', `${sshd.knownHosts().join('\n')}\n`);
    await ssh({ port: sshd.port, user: sshd.user, identityAgent: agent.socket, knownHosts: file });
    return { messages: agent.received.flat(), certificate };
  } finally {
    await agent.stop();
    await sshd.stop();
  }
}

async function writeSessionSeeds(corpus: Corpus, directory: TempDirectory): Promise<void> {
  const { messages, certificate } = await captureLogin(directory);
  const stream = Buffer.concat(messages.map(encodeFrame));
  const bind = messages.find((message) => message[0] === MESSAGE.extension);
  const request = messages.find((message) => message[0] === MESSAGE.signRequest);
  if (bind === undefined || request === undefined)
    throw new Error('ssh sent no bind or asked for no signature');
  const answer = encodeIdentities([{ blob: certificate, comment: 'login' }]);
  corpus.write('frames', 'seed', stream, 'login');
  corpus.write(
    'frames',
    'seed',
    Buffer.concat([answer, SUCCESS, encodeQueryAnswer(['query'])].map(encodeFrame)),
    'answers',
  );
  for (const [name, message] of Object.entries({
    bind,
    request,
    answer,
    list: LIST,
    query: encodeQueryAnswer(['query']),
  }))
    corpus.write('messages', 'seed', message, name);
  corpus.write('sign-request', 'seed', request, 'login');

  const login = {
    sessionId: Buffer.alloc(32, 7),
    user: 'ops',
    key: certificate,
    algorithm: 'ssh-ed25519-cert-v01@openssh.com',
  };
  corpus.write('sign-request', 'seed', encodeSignRequest(certificate, encodeLoginData(login), 4), 'unbound');
  corpus.write(
    'sign-request',
    'seed',
    encodeSignRequest(certificate, Buffer.from('SSHSIG\0\0\0\x04file')),
    'sshsig',
  );

  const framed = (...binds: readonly (readonly [Bind, boolean])[]) =>
    Buffer.concat(binds.map(([each, forwarded]) => encodeFrame(encodeBind(each, forwarded))));
  const [hop, next, final] = [
    syntheticBind(newHostKey()),
    syntheticBind(newHostKey()),
    syntheticBind(newHostKey()),
  ];
  corpus.write('bindings', 'seed', encodeFrame(bind), 'login');
  corpus.write('bindings', 'seed', framed([hop, true], [next, true], [final, false]), 'forwarded');
  corpus.write('bindings', 'seed', framed([final, false], [final, false], [hop, false]), 'after-final');
  for (const type of ['ecdsa256', 'ecdsa521', 'rsa'] as const)
    corpus.write('bindings', 'seed', framed([syntheticBind(newHostKey(type)), false]), type);
  const host = await makeKey(directory.path, 'certified-host');
  const hostCa = await makeKey(directory.path, 'host-ca');
  const hostKey = blobOf(await certificateOf(hostCa, host, { host: true, principals: ['web1'] }));
  const certified = syntheticBind(readPrivateKey(host.path), { hostKey });
  corpus.write('bindings', 'seed', framed([certified, false]), 'certificate');
  const many = Array.from({ length: 17 }, () => [syntheticBind(newHostKey()), true] as const);
  corpus.write('bindings', 'seed', framed(...many), 'seventeen');
}

async function writeKeySeeds(corpus: Corpus, directory: TempDirectory): Promise<Buffer[]> {
  const data = Buffer.from("signed by ssh-keygen's key");
  const blobs: Buffer[] = [];
  const lines: string[] = [];
  for (const type of TYPES) {
    const key = await makeKey(directory.path, `key-${type}`, type);
    const blob = blobOf(key.publicKey);
    blobs.push(blob);
    lines.push(
      knownHostsLine(
        type === 'rsa' ? ['web1', '10.0.0.1'] : ['web*', '!web2', `[${type}]:2222`],
        key.publicKey,
      ),
    );
    corpus.write('public-key', 'seed', blob, type);
    corpus.write('key-line', 'seed', Buffer.from(`${key.publicKey}\n`), type);
    const triple = new Writer()
      .string(blob)
      .string(data)
      .raw(signBlob(readPrivateKey(key.path), data))
      .done();
    corpus.write('signature', 'seed', triple, type);
  }
  for (const kind of ['ed25519', 'ecdsa'] as const) {
    const key = securityKey(kind);
    blobs.push(key.blob);
    corpus.write('public-key', 'seed', key.blob, `sk-${kind}`);
    corpus.write(
      'signature',
      'seed',
      new Writer().string(key.blob).string(data).raw(securityKeySign(key, data)).done(),
      `sk-${kind}`,
    );
  }
  const hashed = await hashedLines(lines.slice(0, 2));
  const marked = [
    `@cert-authority *.example.com ${lines[0]?.split(' ').slice(1).join(' ')}`,
    `@revoked * ${lines[4]?.split(' ').slice(1).join(' ')} gone`,
  ];
  corpus.write('known-hosts', 'seed', Buffer.from(`# all kinds\n\n${lines.join('\n')}\n`), 'plain');
  corpus.write('known-hosts', 'seed', Buffer.from(`${hashed.join('\n')}\r\n`), 'hashed');
  corpus.write('known-hosts', 'seed', Buffer.from(`\t${marked.join('\n')}`), 'marked');
  return blobs;
}

function writeCertificateSeeds(corpus: Corpus): Buffer[] {
  const made = new Certificates();
  try {
    const blobs = PAIRS.map(([ca, subject], index) => {
      const host = index % 3 === 0;
      const args = host
        ? ['-h', '-I', `host-${index}`, '-n', 'web1.example.com,web1', '-V', '20261101000000:20361101000000']
        : [
            '-I',
            `user-${index}`,
            '-n',
            'ops,deploy',
            '-z',
            `${index}`,
            '-O',
            'source-address=10.0.0.0/8',
            '-O',
            'no-pty',
          ];
      const { blob } = made.make(ca, subject, args);
      corpus.write('certificate', 'seed', blob, `${subject}-by-${ca}`);
      return blob;
    });
    // A revoked certificate revokes its plain key.
    const [first = Buffer.alloc(0)] = blobs;
    const line = `@revoked * ${made.make('ed25519', 'ed25519', ['-I', 'gone']).cert.type} ${first.toString('base64')}\n`;
    corpus.write('known-hosts', 'seed', Buffer.from(line), 'revoked-certificate');
    return blobs;
  } finally {
    made.dir.remove();
  }
}

function writeListSeeds(corpus: Corpus, keys: readonly Buffer[], certificates: readonly Buffer[]): void {
  const named = (blobs: readonly Buffer[]) => blobs.map((blob, index) => ({ blob, comment: `key ${index}` }));
  const list = (name: string, ...blobs: readonly Buffer[]) =>
    corpus.write('list', 'seed', encodeIdentities(named(blobs)), name);
  list('empty');
  list('keys', ...keys);
  for (const [index, blob] of certificates.entries()) list(`certificate-${index}`, ...keys.slice(0, 1), blob);
  const [key = Buffer.alloc(0)] = keys;
  const one = Buffer.from([1]);
  list('unknown', new Writer().string('ssh-future@example.com').string('x').done(), key);
  list('dsa', new Writer().string('ssh-dss').string(one).string(one).string(one).string(one).done(), key);
  list('odd-options', build({ extensions: [option('b', text('1')), option('a', text(''))] }), key);
  const latin = new Writer()
    .u8(MESSAGE.identitiesAnswer)
    .u32(1)
    .string(key)
    .string(Buffer.from('gr\xfc\xdfe', 'latin1'));
  corpus.write('list', 'seed', latin.done(), 'latin1-comment');
}

/** Certificates as OpenBao gives them, by one CA for one key: the first is what was asked for, the others are not, or narrower. */
async function writeMintedSeeds(corpus: Corpus, directory: TempDirectory): Promise<string> {
  const ca = await makeKey(directory.path, 'minted-ca');
  const key = await makeKey(directory.path, 'minted');
  const validity = '20261123120000Z:20261123120200Z';
  const only = ['clear', 'permit-pty'];
  const asked = { keyId: 'warden', principals: ['ops', 'deploy'], validity, options: only, serial: 7 };
  const genuine = await certificateOf(ca, key, asked);
  const others: Record<string, Parameters<typeof certify>[2]> = {
    narrower: { ...asked, principals: ['ops'], options: ['clear'] },
    'other-principal': { ...asked, principals: ['root'] },
    'no-principal': { ...asked, principals: [] },
    'too-long': { ...asked, validity: '20261123120000Z:20261124120000Z' },
    'not-now': { ...asked, validity: '20261123130000Z:20261123130200Z' },
    'all-extensions': { ...asked, options: [] },
    'odd-key-id': { ...asked, keyId: 'a (serial 1) CA' },
    host: { ...asked, host: true },
  };
  corpus.write('minted', 'seed', Buffer.from(genuine), 'genuine');
  for (const [name, options] of Object.entries(others))
    corpus.write('minted', 'seed', Buffer.from(await certificateOf(ca, key, options)), name);
  const foreign = await certificateOf(await makeKey(directory.path, 'foreign-ca'), key, asked);
  corpus.write('minted', 'seed', Buffer.from(foreign), 'foreign-ca');
  return genuine;
}

/** Writes all seeds in place of those that are there. Throws where ssh-keygen, ssh or sshd is missing. */
export async function writeSeeds(corpus: Corpus): Promise<void> {
  const directory = tempDirectory();
  corpus.clear();
  try {
    await writeSessionSeeds(corpus, directory);
    const keys = await writeKeySeeds(corpus, directory);
    writeListSeeds(corpus, keys, writeCertificateSeeds(corpus));
    const signedKey = await writeMintedSeeds(corpus, directory);
    writeTextSeeds(corpus, signedKey, `ssh-ed25519 ${publicBlob(newHostKey()).toString('base64')}`);
  } finally {
    directory.remove();
  }
}
