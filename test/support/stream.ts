/**
 * A stream of bytes through a tunnel that breaks now and then: after each break it goes on where the far end says it was, as a protocol that
 * loses nothing does. Every byte is known by its place, and checked there: lost, doubled and changed ones are all wrong ones.
 */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './process.ts';

const EVERY_MS = 20;
const CHUNK = 512;
/** Of no answer at all, after which the connection is given up. */
const SILENCE_MS = 5_000;

export interface Stream {
  /** The port that takes what comes out of the tunnel. */
  readonly port: number;
  readonly sent: number;
  /** Bytes at the far end, each in its place and once. */
  readonly arrived: number;
  /** Bytes that the near end knows to have arrived. */
  readonly acknowledged: number;
  /** What was not as it should be, a line each. */
  readonly wrong: readonly string[];
  /** How often the near end had to connect. */
  readonly connections: number;
  /** Sends no more, and waits until the near end knows that everything has arrived. */
  finish(): Promise<void>;
  stop(): Promise<void>;
}

/** The byte at a place of the stream (Knuth's multiplicative hash: no two stretches are alike). */
function byteAt(place: number): number {
  return Math.imul(place, 0x9e3779b1) >>> 24;
}

/** Below the ports that connections get of themselves: while the tunnel is down nobody takes it, nor does a connection find itself there. */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** Each whole line that a socket says. */
function onLines(socket: Socket, use: (line: string) => void): void {
  let rest = '';
  socket.on('data', (bytes) => {
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) use(line);
  });
}

/** Sends through the tunnel's `entry` port to a server of its own, until `finish` or `stop`. */
export async function streamThrough(entry: number): Promise<Stream> {
  const state = { sent: 0, arrived: 0, acknowledged: 0, connections: 0, finished: false, stopped: false };
  const wrong: string[] = [];
  const complain = (what: string) => {
    if (wrong.length < 20) wrong.push(what);
  };

  let newest: Socket | undefined;
  const server = createServer((socket) => {
    // What an earlier connection still holds is sent again on this one.
    newest?.destroy();
    newest = socket;
    socket.on('error', () => undefined);
    socket.write(`${state.arrived}\n`);
    socket.on('data', (bytes) => {
      if (newest !== socket) return;
      for (const byte of bytes) {
        if (byte !== byteAt(state.arrived)) complain(`byte ${state.arrived} is ${byte}`);
        state.arrived += 1;
      }
      socket.write(`${state.arrived}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  let current: Socket | undefined;
  const through = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(entry, '127.0.0.1', () => {
        state.connections += 1;
      });
      current = socket;
      let heard = Date.now();
      const silence = setInterval(() => {
        if (Date.now() - heard > SILENCE_MS) socket.destroy();
      }, 500);
      let timer: NodeJS.Timeout | undefined;
      onLines(socket, (line) => {
        heard = Date.now();
        const place = Number(line);
        if (!(place >= state.acknowledged && place <= state.sent))
          complain(`the far end says ${line} of ${state.acknowledged} to ${state.sent}`);
        state.acknowledged = place;
        if (timer !== undefined) return;
        // The first line of a connection: from there on.
        let next = place;
        timer = setInterval(() => {
          const end = state.finished ? state.sent : Math.max(state.sent, next + CHUNK);
          if (next === end) return;
          socket.write(Buffer.from(Array.from({ length: end - next }, (_, i) => byteAt(next + i))));
          next = end;
          state.sent = end;
        }, EVERY_MS);
      });
      socket.on('error', () => undefined);
      socket.once('close', () => {
        clearInterval(timer);
        clearInterval(silence);
        resolve();
      });
    });
  const loop = async () => {
    while (!state.stopped) {
      await through();
      await sleep(50);
    }
  };
  const running = loop();
  return {
    port,
    wrong,
    get sent() {
      return state.sent;
    },
    get arrived() {
      return state.arrived;
    },
    get acknowledged() {
      return state.acknowledged;
    },
    get connections() {
      return state.connections;
    },
    async finish() {
      state.finished = true;
      await until('everything has arrived', () => state.acknowledged === state.sent, 20_000);
    },
    async stop() {
      state.stopped = true;
      current?.destroy();
      await running;
      newest?.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
