/** The daemon's own log: JSON lines, on standard error where systemd or the terminal finds them, or in a file. Never a secret, never argv. */
import { pino } from 'pino';

export type Log = Pick<ReturnType<typeof pino>, 'info' | 'warn' | 'error'>;

/** A log that can't be written (a full disk, a closed pipe) stops nothing. */
function openSink(file: string | undefined) {
  const sink = pino.destination(
    file === undefined ? { fd: 2, sync: true } : { dest: file, mode: 0o600, sync: true },
  );
  sink.on('error', () => undefined);
  return sink;
}

/** Logs to `file` (0600), or to standard error. `writeTo` goes on in another file, or in a new one of the same name. */
export function createLog(file: string | undefined): {
  readonly log: Log;
  writeTo(file: string | undefined): void;
} {
  let sink = openSink(file);
  const options = { name: 'warden-agent', base: { pid: process.pid } };
  return {
    log: pino(options, { write: (line: string) => void sink.write(line) }),
    writeTo(next) {
      const former = sink;
      sink = openSink(next);
      former.destroy();
    },
  };
}
