/** `warden worker drafts` and `status`: what is in state_dir; the hub is not asked. */
import { runProgram } from '../system/run-program.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { lastDigest, shownSubject } from '../worker/digest.ts';
import { type Draft, readDrafts } from '../worker/drafts.ts';
import { isEnabled } from '../worker/enabled.ts';
import { readMemory } from '../worker/seen.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, print, printJson } from './context.ts';

/** share/systemd/user has it. */
const TIMER = 'warden-worker.timer';
const TIMER_MS = 2_000;

export interface ShowFlags extends CommonFlags {
  readonly json?: boolean;
}

/** The replies that wait for a person. */
export async function drafts(flags: ShowFlags): Promise<void> {
  const all = [...readDrafts(configOf(flags).stateDir).values()];
  if (flags.json === true) printJson(all);
  else if (all.length === 0) print('no drafts');
  else for (const draft of all) showDraft(draft);
}

function showDraft({ message_id: id, from, subject, body, made, maybe_sent }: Draft): void {
  print(`${id} from ${from}, ${made}: ${shownSubject({ subject })}`);
  if (maybe_sent === true) print('  may have been sent: look on the hub first');
  for (const line of body.split('\n')) print(`  | ${sanitizeLine(line)}`);
}

/** What systemd says of the timer: `active`, `inactive`, …; undefined where there is nobody to ask. */
async function timerState(): Promise<string | undefined> {
  const args = ['--user', 'is-active', TIMER];
  const { code, stdout } = await runProgram('systemctl', args, { env: process.env, deadlineMs: TIMER_MS });
  const word = stdout.trim();
  return code === undefined || word === '' ? undefined : sanitizeLine(word);
}

/** How the worker is. */
export async function status(flags: ShowFlags): Promise<void> {
  const { stateDir, worker } = configOf(flags);
  const { answer, draft, escalate } = readMemory(stateDir).counts();
  const waiting = readDrafts(stateDir).size;
  const digest = lastDigest(stateDir);
  const timer = await timerState();
  const enabled = isEnabled(process.env);
  if (flags.json === true) {
    printJson({
      enabled,
      hub: worker.hubUrl,
      brain: worker.brain,
      tier: worker.tier,
      drafts: waiting,
      triaged: { answered: answer, drafted: draft, escalated: escalate },
      digest: digest === undefined ? null : { path: digest.path, at: digest.at.toISOString() },
      timer: timer ?? null,
    });
    return;
  }
  const rows = [
    ['worker', enabled ? `${worker.brain} brain; a tick is ${worker.tier}` : 'switched off (WORKER_ENABLED)'],
    ['hub', worker.hubUrl],
    ['drafts', waiting === 0 ? 'none' : `${waiting} (warden worker drafts)`],
    ['messages', `${answer} answered, ${draft} drafted, ${escalate} for a person`],
    ['digest', digest === undefined ? 'none yet' : `${digest.path}, ${digest.at.toISOString()}`],
    ['timer', timer ?? 'nobody to ask: no systemd of this user'],
  ];
  for (const [name = '', value = ''] of rows) print(`${name.padEnd(10)}${value}`);
}
