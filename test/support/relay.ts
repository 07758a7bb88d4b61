/**
 * A TCP relay on loopback in front of a server of this machine: it can take its time, go silent as a NAT does that has forgotten its connections,
 * and writes down who spoke in which order.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Relay {
  readonly port: number;
  /** Connections taken so far. */
  connections(): number;
  /** How often the client spoke and then the server, since `forget`: what a way with a delay costs, beside a TCP connection's own. */
  roundTrips(): number;
  forget(): void;
  /** Of the connections that are open now nothing arrives any more, in either direction, and none is closed. */
  silence(): void;
  /** Closes everything; connections are refused from then on. */
  stop(): Promise<void>;
}

/** Starts a relay to a port of 127.0.0.1; `delayMs` in each direction. */
export async function startRelay(port: number, delayMs = 0): Promise<Relay> {
  const open = new Set<Socket>();
  let silent = new WeakSet<Socket>();
  let order: ('client' | 'server')[] = [];
  let taken = 0;
  const pass = (from: Socket, to: Socket, who: 'client' | 'server') => {
    open.add(from);
    from.setNoDelay(true);
    from.on('error', () => undefined);
    from.on('close', () => {
      open.delete(from);
      if (!silent.has(from)) to.destroy();
    });
    from.on('data', (chunk: Buffer) => {
      if (silent.has(from)) return;
      if (order.at(-1) !== who) order.push(who);
      setTimeout(() => {
        if (!silent.has(from)) to.write(chunk);
      }, delayMs);
    });
  };
  const server = createServer((client) => {
    taken += 1;
    const onward = connect(port, '127.0.0.1');
    pass(client, onward, 'client');
    pass(onward, client, 'server');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    connections: () => taken,
    roundTrips: () => order.filter((who) => who === 'server').length,
    forget() {
      order = [];
    },
    silence() {
      silent = new WeakSet(open);
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
