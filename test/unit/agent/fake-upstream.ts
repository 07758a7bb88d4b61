/** An agent behind warden that does as it is told: answers anything, late, twice, in pieces or not at all. */
import { createServer, type Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../../../agent/protocol/frames.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';

/** What becomes of one request: a message to answer with, or something done to the connection. */
export type Reaction = Buffer | ((client: Socket) => void);
export type Behaviour = (message: Buffer, connection: number) => Reaction;

export const hang: Reaction = () => undefined;
export const hangUp: Reaction = (client) => client.destroy();

export interface FakeUpstream {
  readonly socket: string;
  readonly directory: TempDirectory;
  /** The messages of each connection, in the order in which the connections came. */
  readonly received: readonly (readonly Buffer[])[];
  behaviour: Behaviour;
  /** How many connections are open now. */
  open(): number;
  /** Ends every connection and leaves the listener. */
  drop(): void;
  stop(): Promise<void>;
}

export async function startFakeUpstream(behaviour: Behaviour): Promise<FakeUpstream> {
  const directory = tempDirectory();
  const socket = directory.socket('upstream');
  const received: Buffer[][] = [];
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    const frames = new FrameReader();
    const messages: Buffer[] = [];
    const index = received.push(messages) - 1;
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => undefined);
    client.on('data', (chunk) => {
      for (const message of frames.push(chunk)) {
        messages.push(Buffer.from(message));
        const reaction = fake.behaviour(message, index);
        if (typeof reaction === 'function') reaction(client);
        else client.write(encodeFrame(reaction));
      }
    });
  });
  const fake: FakeUpstream = {
    socket,
    directory,
    received,
    behaviour,
    open: () => clients.size,
    drop: () => {
      for (const client of clients) client.destroy();
    },
    async stop() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => server.close(resolve));
      directory.remove();
    },
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  return fake;
}
