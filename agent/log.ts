/** The daemon's own log: JSON lines, on standard error where systemd or the terminal finds them, or in a file. Never a secret, never argv. */
import { pino } from 'pino';

export type Log = Pick<ReturnType<typeof pino>, 'info' | 'warn' | 'error'>;

/** Logs to `file` (0600), or to standard error. A log that can't be written (a full disk, a closed pipe) stops nothing. */
export function createLog(file: string | undefined): Log {
  const options = { name: 'warden-agent', base: { pid: process.pid } };
  const destination = pino.destination(
    file === undefined ? { fd: 2, sync: true } : { dest: file, mode: 0o600, sync: true },
  );
  destination.on('error', () => undefined);
  return pino(options, destination);
}
