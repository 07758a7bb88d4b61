/**
 * Looks at a message before any brain does: one that speaks to the machine instead of asking a person's question goes to a person. A list
 * of forms stops who does not know it; what the worker can do at all is bounded in judge.ts and does not depend on it. Every repetition in
 * a form that can meet itself is bounded: a message must not be able to keep the worker busy.
 */
import { looksSecret } from '../system/secret-shapes.ts';
import type { HubMessage } from './message.ts';

/** A question that warden can answer is short. */
const MAX_TEXT = 4_000;

const SECRET_NOUN =
  '(?:tokens?|passwords?|passphrases?|secrets?|keys?|credentials?|values?|contents?|environment|variables?)';

const FORMS: readonly (readonly [form: RegExp, why: string])[] = [
  [
    /\b(?:ignore|disregard|forget|override|overrule|bypass|skip|neglect|drop)\b.{0,60}\b(?:instructions?|rules?|above|previous|prior|earlier|before|charter|guard\w*|polic(?:y|ies)|prompts?|everything|filters?|safety|context)\b/s,
    'it wants rules to be ignored',
  ],
  [
    /\b(?:ignoriere?n?|vergiss|missachte|ignorez|oublie[rz]?|ignora[rd]?|olvida[rd]?|esqueca|dimentica|negeer|vergeet|zignoruj|zapomnij)\b|игнорир|забудь|忽略|无视|無視|무시/,
    'it wants rules to be ignored',
  ],
  [
    /\b(?:you are now|you're now|you will now|act as|behave as|pretend|role-?play|from now on|new instructions?|updated? (?:instructions?|charter|rules)|(?:developer|debug|maintenance|god|admin|unrestricted) mode|jailbreak|system (?:prompt|message)|your (?:prompt|instructions|charter|guidelines|rules|task))\b/,
    'it tells whoever answers what to be',
  ],
  [
    /^[ \t>#*]{0,20}(?:system|assistant|user|developer|human|ai|tool|instructions?|response)\s*(?:\(.{0,40}\))?\s*:/m,
    'it pretends to be another speaker',
  ],
  [
    /<[|!/?]?[a-z_][^<>]{0,200}>|<!--|\[\/?(?:inst|system|sys)\]|^#{2,}\s*(?:instruction|system|response)|`{3}|-{3,9}[ \t]{0,9}end\b|\bend of (?:the )?(?:message|data|input)\b/m,
    'it has marks of a prompt',
  ],
  [
    /\b(?:route_answer|mark_read|progress_note|propose_catalog_diff|worker_?plan)\b|["'](?:kind|actions?|payload|lane)["']\s*:/,
    'it holds a plan',
  ],
  [
    new RegExp(
      `\\b(?:send|give|paste|reveal|print|show|share|leak|dump|echo|email|post|read out|tell)\\b(?! (?:me |us )?(?:how|where|who|which)\\b).{0,50}\\b${SECRET_NOUN}\\b`,
      's',
    ),
    'it wants a value',
  ],
  [
    new RegExp(
      `\\bwhat(?:'s| is| are) (?:the|your|our|its) (?!way|path|lane|route|process|procedure|right|best|command|tool|owner)(?:[\\w-]+ ){0,4}${SECRET_NOUN}\\b(?:\\s*[?.!]|\\s*$)`,
      'm',
    ),
    'it wants a value',
  ],
  [
    /\$\(|`[^`\n]+`|\|\s*(?:ba|z)?sh\b|\brm -|\b(?:curl|wget|eval|sudo|chmod|nc) |&&|~\/\.|\/etc\/|\bjavascript:|\bdata:[a-z]+\/|!\[[^\]]{0,200}\]\(/,
    'it holds commands',
  ],
  [
    /\b(?:forward|broadcast|cc|copy|notify|announce|reply to|respond to|send (?:it |this )?to|tell|inform)\b.{0,40}\b(?:all|every\w*|broadcast|others?|(?:adm|agt|atm)-[a-z])/s,
    'it wants something sent to others',
  ],
  [
    /\bmark\b.{0,40}\bread\b|\b(?:mark|delete|archive|close|clear|drop|remove|purge|erase)\b.{0,40}\b(?:messages?|inbox|threads?|queue|trail|logs?|audit|drafts?)\b/s,
    'it wants messages or records changed',
  ],
  [
    /\b(?:i (?:hereby )?authori[sz]e|(?:i am|i'm|this is|as) (?:the|your|an?) (?:\w+ )?(?:admin|administrator|owner|operator|developer|creator|supervisor)|(?:pre-?|already |been )approved|emergency|on behalf of|urgent(?:ly)?|immediately|without (?:asking|review|approval|delay|confirmation)|(?:do not|don't|never|no need to) (?:tell|escalate|log|record|ask|involve))\b/,
    'it claims authority or haste',
  ],
  [
    /\b(?:your|the) (?:answer|reply|response) (?:must|should|is|has to|will|shall)\b|\b(?:answer|reply|respond|say|confirm)\b.{0,25}\b(?:with|only|exactly|that|as follows)\b|\b(?:also|always) (?:say|add|include|write|mention|tell|confirm|recommend)\b|\brepeat (?:after|the|this|your)\b/s,
    'it says what the answer should be',
  ],
  [
    /\b(?:change|update|edit|point|repoint|redirect|replace|modify|add|register|rename)\b.{0,40}\b(?:catalog|lanes?|routes?|entry|entries|playbooks?)\b/s,
    'it wants the catalog changed',
  ],
  [
    /\S{100}|[a-z0-9+/=]{60}|\b(?:base64|rot13|decode|decrypt|decipher)\b|(?:%[0-9a-f]{2}){6}|&#x?[0-9a-f]+;|(?:\\x[0-9a-f]{2}){4}|(?:\\u[0-9a-f]{4}){3}/,
    'it holds something encoded',
  ],
  [/(?:\b\w[\s.*_-]){6}\w\b/, 'its words are hidden'],
];

const LOOKS_LIKE: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
};

/** As a reader sees it: no case, no accents, compatibility forms undone. */
function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Words that are spelt with digits, as letters. */
function unleet(text: string): string {
  return text.replace(/[a-z0134579@$]+/g, (word) =>
    /[a-z]/.test(word) ? word.replace(/[0134579@$]/g, (sign) => LOOKS_LIKE[sign] ?? sign) : word,
  );
}

function isHidden(text: string): boolean {
  // Formats (zero width, direction, tags), private use, controls but for line ends and tabs.
  if (/[\p{Cf}\p{Co}\p{Cn}]|(?![\n\r\t])\p{Cc}/u.test(text)) return true;
  return (text.match(/[\p{L}\p{M}]+/gu) ?? []).some(
    (word) => /\p{Script=Latin}/u.test(word) && /(?!\p{Script=Latin})\p{L}/u.test(word),
  );
}

/** Why a person must look at the message, or undefined. `agent`: who this is on the hub. */
export function alarmOf({ from, to, subject, body }: HubMessage, agent: string): string | undefined {
  if (from === agent) return 'it comes from this agent itself';
  if (to !== agent) return 'it is to everybody';
  const text = `${subject}\n${body}`;
  if (text.length > MAX_TEXT) return `it is longer than ${MAX_TEXT} characters`;
  if (looksSecret(text)) return 'it holds what looks like a secret: have that changed';
  if (isHidden(text)) return 'it has characters that a reader does not see';
  const seen = plain(text);
  const spelt = unleet(seen);
  return FORMS.find(([form]) => form.test(seen) || form.test(spelt))?.[1];
}
