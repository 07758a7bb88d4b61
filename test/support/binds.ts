/**
 * Binds to attack with: `captureBind` takes a genuine one out of a real ssh's login attempt, `syntheticBind` makes one with a host's
 * private key, as a server whose session nobody else has seen.
 */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../../agent/protocol/frames.ts';
import {
  encodeIdentities,
  FAILURE,
  isListRequest,
  MESSAGE,
  parseSessionBind,
  type SessionBind,
  SUCCESS,
} from '../../agent/protocol/messages.ts';
import type { Bind } from './agent-client.ts';
import { publicBlob, signBlob } from './keys.ts';
import { type SshOptions, ssh } from './ssh.ts';
import { tempDirectory } from './temp.ts';

export interface RecordingAgent {
  readonly socket: string;
  /** All messages of all connections, in the order of their coming. */
  readonly messages: readonly Buffer[];
  binds(): SessionBind[];
  stop(): Promise<void>;
}

function answerTo(message: Buffer): Buffer {
  if (message[0] === MESSAGE.extension) return SUCCESS;
  return isListRequest(message) ? encodeIdentities([]) : FAILURE;
}

/** An agent without identities that takes every bind and writes down what it is asked. */
export async function startRecordingAgent(): Promise<RecordingAgent> {
  const directory = tempDirectory();
  const socket = directory.socket('recorder');
  const messages: Buffer[] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const frames = new FrameReader();
    open.add(client);
    client.on('close', () => open.delete(client));
    client.on('error', () => undefined);
    client.on('data', (chunk) => {
      for (const message of frames.push(chunk)) {
        messages.push(Buffer.from(message));
        client.write(encodeFrame(answerTo(message)));
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return {
    socket,
    messages,
    binds: () => messages.filter((message) => message[0] === MESSAGE.extension).map(parseSessionBind),
    async stop() {
      for (const client of open) client.destroy();
      await new Promise((resolve) => server.close(resolve));
      directory.remove();
    },
  };
}

/**
 * The bind of a real login attempt, which fails for want of a key: nobody has used its session. Without `knownHosts` or a configuration
 * the host key is taken as it comes. Throws where ssh sent no bind, with what it said.
 */
export async function captureBind(options: Omit<SshOptions, 'agent' | 'identityAgent'>): Promise<Bind> {
  const recorder = await startRecordingAgent();
  try {
    const trusting = options.knownHosts === undefined && options.config === undefined;
    const result = await ssh({
      ...options,
      identityAgent: recorder.socket,
      options: [...(options.options ?? []), ...(trusting ? ['StrictHostKeyChecking=no'] : [])],
    });
    const [bind] = recorder.binds();
    if (bind === undefined) throw new Error(`ssh sent no bind: exit ${result.code}\n${result.stderr}`);
    return { hostKey: bind.hostKey, sessionId: bind.sessionId, signature: bind.signature };
  } finally {
    await recorder.stop();
  }
}

/** A host key that is known to nobody, for binds of hosts that do not exist. */
export function newHostKey(
  type: 'ed25519' | 'ecdsa256' | 'ecdsa384' | 'ecdsa521' | 'rsa' = 'ed25519',
): KeyObject {
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  return generateKeyPairSync('ec', {
    namedCurve: { ecdsa256: 'P-256', ecdsa384: 'P-384', ecdsa521: 'P-521' }[type],
  }).privateKey;
}

/**
 * A bind as the server with this private key would prove it. `hostKey` takes the place of the key's own blob, for a host certificate;
 * the session id is 32 random bytes unless given. For the key of a running sshd: `readPrivateKey(sshd.hostKeys[0].path)`.
 */
export function syntheticBind(
  privateKey: KeyObject,
  options: { readonly sessionId?: Buffer; readonly hostKey?: Buffer } = {},
): Bind {
  const { sessionId = randomBytes(32), hostKey = publicBlob(privateKey) } = options;
  return { hostKey, sessionId, signature: signBlob(privateKey, sessionId) };
}
