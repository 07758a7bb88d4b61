/** A message taken apart: which of its sentences ask for something, and which want something done. English; nothing else is understood. */
import type { HubMessage } from './message.ts';

const MAX_SENTENCES = 40;

const ASKS = [
  /\?\s*$/,
  /^(?:so |and |hi,? |hello,? )?(?:how|where|which|what|who|whom)\b/i,
  /\b(?:i|we)(?:'m| am| are)? (?:also )?(?:need|want|looking for|would like)\b/i,
  /^(?:need|needs|looking for)\b/i,
];

const DEEDS =
  'rotate|revoke|delete|remove|drop|restart|reboot|deploy|roll|grant|approve|create|add|change|update|edit|modify|sign|mint|issue|generate|renew|extend|send|post|forward|mark|run|execute|install|disable|enable|turn|switch|merge|push|commit|promote|register|unseal|give|share|paste|fetch|provision|provide|set|make|do|handle|take|open|close|fix|check|verify|investigate|look|review|confirm|schedule|write|reply|answer|respond|say|notify|allow|unlock|reset|move|copy|use|treat|assume|note|remember';

const DEMANDS = [
  new RegExp(`^(?:(?:please|kindly|then|and|also|now|just),? )*(?:${DEEDS})\\b`, 'i'),
  new RegExp(
    `\\b(?:please|kindly|(?:can|could|would|will|should|must) you)(?: please| also| just)? (?:${DEEDS})\\b`,
    'i',
  ),
];

/** The sentences of a text, in order. */
export function sentencesOf(text: string): readonly string[] {
  return text
    .split(/(?<=[.!?])\s+|[\r\n]+/)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '')
    .slice(0, MAX_SENTENCES);
}

/** Whether the sentence asks for something: a question, or a need. */
export function isAsking(sentence: string): boolean {
  return ASKS.some((form) => form.test(sentence));
}

/** Whether it wants something done. */
export function isDemand(sentence: string): boolean {
  return DEMANDS.some((form) => form.test(sentence));
}

/** Everything of a message that a lane may be looked for with. */
export function needsOf({ subject, body }: HubMessage): readonly string[] {
  return [subject, ...sentencesOf(body)].filter((text) => text.trim() !== '');
}
