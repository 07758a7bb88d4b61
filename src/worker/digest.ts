/** `<state_dir>/worker-digest.md`: what each run has found, the newest first, for a person. Texts from outside stand in quotes, one line each. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../system/replace-file.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { looksSecret } from '../system/secret-shapes.ts';
import type { Verdict } from './judge.ts';
import type { HubMessage } from './message.ts';

const FILE = 'worker-digest.md';
const TITLE = '# The worker’s digest\n';
const SECTION = '\n## ';
/** Older runs are left out beyond it. */
const MAX_CHARACTERS = 256 * 1024;

export interface Decided {
  readonly message: HubMessage;
  readonly verdict: Verdict;
}

/** A subject as a person may be shown it. */
export function shownSubject({ subject }: Pick<HubMessage, 'subject'>): string {
  return looksSecret(subject) ? '(not shown: it looks like a secret)' : JSON.stringify(sanitizeLine(subject));
}

/** What becomes of the message, as one line and the words of a draft. */
export function linesOf({ message, verdict }: Decided, drafted: boolean): readonly string[] {
  const head = `${message.id} from ${message.from}: ${shownSubject(message)}`;
  if (verdict.kind === 'escalate') return [head, `  for a person: ${sanitizeLine(verdict.why)}`];
  const what = verdict.kind === 'answer' ? `lane ${verdict.lane}` : 'a model’s words';
  if (!drafted) return [head, `  answered: ${what}`];
  const body = verdict.body.split('\n').map((line) => `  | ${sanitizeLine(line)}`);
  return [head, `  draft (${what}); send it: warden worker approve ${message.id}`, ...body];
}

/** Puts a run's section before the others. `heading` is one line. Throws the system's error. */
export function addToDigest(stateDir: string, heading: string, lines: readonly string[]): void {
  const path = join(stateDir, FILE);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : TITLE;
  const at = before.indexOf(SECTION);
  const older = at < 0 ? '' : before.slice(at);
  const text = `${TITLE}${SECTION}${heading}\n\n${lines.map((line) => `    ${line}\n`).join('')}${older}`;
  const end = text.length > MAX_CHARACTERS ? text.lastIndexOf(SECTION, MAX_CHARACTERS) : text.length;
  // A run that is larger by itself stays whole.
  replaceFile(path, text.slice(0, end > TITLE.length ? end : text.length));
}

/** Where it is and when it was last written; undefined: never. */
export function lastDigest(stateDir: string): { readonly path: string; readonly at: Date } | undefined {
  const path = join(stateDir, FILE);
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { path, at: found.mtime };
}
