/**
 * An honest question to an agent on a socket: who listens, does it take a session-bind, how many identities does it show? (RFC 9987;
 * OpenSSH's PROTOCOL.agent section 1.) The bind is for a host key that was made a moment ago and is gone when the connection is; no
 * signature is asked for. Never put to warden's own socket, where a bind is a login.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { basename } from 'node:path';
import { errnoOf } from '../errors.ts';
import { ed25519PublicBlob } from '../ssh/public-key.ts';
import { encodeSignature } from '../ssh/signature.ts';
import { Writer } from '../ssh/wire.ts';
import { peerCredentials, processInfo } from '../system/peer.ts';

const DEADLINE_MS = 1_000;
/** AGENT_MAX_LEN of ssh-agent.c. */
const MAX_FRAME = 256 * 1024;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const EXTENSION = 27;
const SUCCESS = 6;

/** Who listens on a socket's path. */
export interface Listener {
  /** `absent`: no file. `stale`: a file, and nobody listens. `silent`: it takes no connection in time. */
  readonly state: 'absent' | 'stale' | 'unreachable' | 'silent' | 'answers';
  /** The process, where the system tells. */
  readonly pid: number | undefined;
  /** The name of its program. */
  readonly program: string | undefined;
}

export interface AgentProbe extends Omit<Listener, 'state'> {
  readonly path: string;
  /** Besides: `silent`: no answer in time. `closes`: it hangs up on a list. `ourselves`: not asked. */
  readonly state: Listener['state'] | 'closes' | 'ourselves';
  /** What it does with a session-bind. */
  readonly bind: 'takes' | 'refuses' | 'closes';
  readonly identities: number;
}

/** What went wrong with one exchange. */
type Trouble = 'silent' | 'closes';

interface Line {
  exchange(message: Buffer): Promise<Buffer | Trouble>;
  readonly socket: Socket;
}

function dial(path: string): Promise<Line | Listener['state']> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const timer = setTimeout(() => {
      socket.destroy();
      resolve('silent');
    }, DEADLINE_MS);
    socket.on('error', (error) => {
      clearTimeout(timer);
      const errno = errnoOf(error);
      if (errno === 'ENOENT') resolve('absent');
      else resolve(errno === 'ECONNREFUSED' ? 'stale' : 'unreachable');
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve({ socket, exchange: (message) => exchange(socket, message) });
    });
  });
}

/** One answer, without its length. */
function exchange(socket: Socket, message: Buffer): Promise<Buffer | Trouble> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const end = (outcome: Buffer | Trouble) => {
      clearTimeout(timer);
      socket.removeAllListeners('data').removeAllListeners('close');
      resolve(outcome);
    };
    const timer = setTimeout(() => end('silent'), DEADLINE_MS);
    socket.on('close', () => end('closes'));
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
      if (length > MAX_FRAME) end('closes');
      else if (length > 0 && bytes.length >= 4 + length) end(bytes.subarray(4, 4 + length));
    });
    socket.write(new Writer().string(message).done());
  });
}

function sessionBind(): Buffer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const sessionId = randomBytes(32);
  const signature = encodeSignature('ssh-ed25519', sign(null, sessionId, privateKey));
  const writer = new Writer()
    .u8(EXTENSION)
    .string('session-bind@openssh.com')
    .string(ed25519PublicBlob(publicKey));
  return writer.string(sessionId).string(signature).bool(false).done();
}

function countOf(answer: Buffer): number {
  return answer[0] === IDENTITIES_ANSWER && answer.length >= 5 ? answer.readUInt32BE(1) : 0;
}

/** Who listens. Where the service manager made the socket, that is the service manager, and says nothing of the agent. */
function listenerOf(socket: Socket): Pick<AgentProbe, 'pid' | 'program'> {
  const pid = peerCredentials(socket)?.pid;
  const path = pid === undefined ? undefined : processInfo(pid)?.program?.path;
  return { pid, program: path === undefined ? undefined : basename(path) };
}

/** Connects and asks nothing. Never throws. */
export async function whoListens(path: string): Promise<Listener> {
  const line = await dial(path);
  if (typeof line === 'string') return { state: line, pid: undefined, program: undefined };
  const who = listenerOf(line.socket);
  line.socket.destroy();
  return { state: 'answers', ...who };
}

/** Asks the agent at `path`, unless process `own` listens there; each answer has a second. Never throws. */
export async function probeAgent(path: string, own: number | undefined): Promise<AgentProbe> {
  const nothing = { path, pid: undefined, program: undefined, bind: 'refuses', identities: 0 } as const;
  let line = await dial(path);
  if (typeof line === 'string') return { ...nothing, state: line };
  const who = listenerOf(line.socket);
  if (who.pid !== undefined && who.pid === own) {
    line.socket.destroy();
    return { ...nothing, ...who, state: 'ourselves' };
  }
  const answer = await line.exchange(sessionBind());
  if (answer === 'silent') {
    line.socket.destroy();
    return { ...nothing, ...who, state: 'silent' };
  }
  const bind = answer === 'closes' ? 'closes' : answer[0] === SUCCESS ? 'takes' : 'refuses';
  if (bind === 'closes') line = await dial(path);
  if (typeof line === 'string') return { ...nothing, ...who, bind, state: line };
  const list = await line.exchange(Buffer.from([REQUEST_IDENTITIES]));
  line.socket.destroy();
  if (typeof list === 'string') return { ...nothing, ...who, bind, state: list };
  return { path, ...who, bind, state: 'answers', identities: countOf(list) };
}
