/**
 * Tells the person behind a login a line: on the terminal of the process that asks, else through `agent.notify_command`. The program
 * gets the line on its input: its arguments would be seen by every user of the machine, and could be taken for options.
 */
import type { AgentConfig } from '../src/config/config.ts';
import type { Clock } from '../src/system/clock.ts';
import { childEnvironment } from '../src/system/hardening.ts';
import type { PeerCredentials } from '../src/system/peer.ts';
import { runProgram } from '../src/system/run-program.ts';
import { hasTerminalAt, tellProcess, toldLines } from '../src/system/tell.ts';
import type { Log } from './log.ts';

const NOTIFY_DEADLINE_MS = 5_000;
/** Ansible's two hundred hosts are one message. */
export const NOTIFY_EVERY_MS = 30_000;

/** `login`: ssh waits for somebody to log in. */
export type LineKind = 'refusal' | 'login';

export interface Line {
  readonly kind: LineKind;
  readonly text: string;
  /** Told whole, on a line of its own. */
  readonly address?: string | undefined;
  /** For callers that will see no other reason: a pipe is as good as a terminal. */
  readonly allowPipe: boolean;
}

export interface Teller {
  /** Whether there is a terminal or a notifier to tell by. */
  canTell(peer: PeerCredentials): boolean;
  /**
   * Resolves with whether somebody was told now, or by the notifier of a line of this kind and address within NOTIFY_EVERY_MS. The terminal is
   * written to before it returns. Never rejects.
   */
  tell(peer: PeerCredentials, line: Line): Promise<boolean>;
}

export interface TellerOptions {
  /** Looked at anew each time: a reload changes it. */
  readonly agent: () => Pick<AgentConfig, 'tell' | 'notifyCommand'> | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

export function createTeller({ agent, env, clock, log }: TellerOptions): Teller {
  const last = new Map<LineKind, { atNs: bigint; address: string | undefined; told: Promise<boolean> }>();

  const run = async ([program = '', ...args]: readonly string[], input: string): Promise<boolean> => {
    const ran = await runProgram(program, args, {
      env: childEnvironment(env),
      deadlineMs: NOTIFY_DEADLINE_MS,
      input,
    });
    if (ran.code === 0) return true;
    const how = ran.failure === '' ? `exit ${ran.code}` : ran.failure;
    log.error({ program, stderr: ran.stderr.slice(0, 200) }, `agent.notify_command failed (${how})`);
    return false;
  };
  const notify = (command: readonly string[], { kind, text, address }: Line): Promise<boolean> => {
    const atNs = clock.monotonicNs();
    const former = last.get(kind);
    const soon = former !== undefined && atNs - former.atNs < BigInt(NOTIFY_EVERY_MS) * 1_000_000n;
    if (soon && former.address === address) return former.told;
    const told = run(command, toldLines(text, address));
    last.set(kind, { atNs, address, told });
    return told;
  };
  return {
    canTell(peer) {
      const { tell = 'none', notifyCommand = [] } = agent() ?? {};
      if (peer.uid !== process.getuid?.()) return false;
      return notifyCommand.length > 0 || (tell === 'terminal' && hasTerminalAt(peer.pid));
    },
    async tell(peer, line) {
      const { tell = 'none', notifyCommand = [] } = agent() ?? {};
      if (peer.uid !== process.getuid?.()) return false;
      const { text, allowPipe, address } = line;
      if (tell === 'terminal' && tellProcess(peer.pid, text, allowPipe, address)) return true;
      return notifyCommand.length > 0 && notify(notifyCommand, line);
    },
  };
}
