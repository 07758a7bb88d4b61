/**
 * What a syslog daemon makes of a running sshd's words: its time, the host's name, program and process before each message, written to a
 * file as they come. sshd of the tests logs to a file (`-E`), where a message ends in CR LF and what a client named may hold a bare LF; on
 * its way to a real syslog sshd writes that as `\n` (log.c, LOG_SYSLOG_VIS). Left out: the pid, which sshd's own file does not have.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { until } from './process.ts';
import type { Sshd } from './sshd.ts';

export type SyslogForm = 'traditional' | 'iso' | 'journal';

export interface SyslogOptions {
  readonly form?: SyslogForm;
  readonly host?: string;
  /** How far the host's clock is ahead, in milliseconds. */
  readonly ahead?: number;
}

export interface Syslog {
  /** Waits until everything that sshd has said since the start, and `text` among it, is in the file. */
  has(text: string): Promise<void>;
  /** Writes a message as if sshd had said it. */
  say(message: string): void;
  stop(): void;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const PID = 4711;

function traditional(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
  return `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2, ' ')} ${time}`;
}

/** The line of a message in a form. */
export function syslogLine(form: SyslogForm, at: Date, host: string, message: string): string {
  switch (form) {
    case 'traditional':
      return `${traditional(at)} ${host} sshd[${PID}]: ${message}\n`;
    case 'iso':
      return `${at.toISOString().replace('Z', '123+00:00')} ${host} sshd[${PID}]: ${message}\n`;
    case 'journal':
      return `${JSON.stringify({
        __REALTIME_TIMESTAMP: String(at.getTime() * 1000),
        _HOSTNAME: host,
        _PID: String(PID),
        _UID: '0',
        _COMM: 'sshd',
        SYSLOG_IDENTIFIER: 'sshd',
        MESSAGE: message,
      })}\n`;
  }
}

/** Copies what sshd says from now on into `file`. */
export function startSyslog(sshd: Pick<Sshd, 'log'>, file: string, options: SyslogOptions = {}): Syslog {
  const { form = 'iso', host = 'web1', ahead = 0 } = options;
  writeFileSync(file, '');
  const began = sshd.log().length;
  let seen = began;
  const say = (message: string) =>
    appendFileSync(
      file,
      syslogLine(form, new Date(Date.now() + ahead), host, message.replaceAll('\n', '\\n')),
    );
  const copy = () => {
    const log = sshd.log();
    const end = log.lastIndexOf('\r\n') + 2;
    if (end <= seen) return;
    for (const message of log.slice(seen, end - 2).split('\r\n')) say(message);
    seen = end;
  };
  const timer = setInterval(copy, 20);
  return {
    say,
    async has(text) {
      await until(`sshd says ${text}`, () => sshd.log().includes(text, began));
      copy();
    },
    stop: () => clearInterval(timer),
  };
}
