/**
 * What kind of thing stands in the way of somebody who lacks a credential, told by the words of one sentence, and the next step. Kinds and
 * their order: ops-warden's blocker triage (`../shared/notes/ops-warden.md`, section 7). Words decide, nothing is guessed: what does not say where it
 * happens is `unclear`. English only. The text itself is never part of the answer: somebody may have pasted a secret into it.
 */

export type BlockerKind = 'double' | 'owner_custody' | 'maturity' | 'ceremony' | 'unclear';

export interface Blocker {
  readonly kind: BlockerKind;
  /** Whether work really has to stop. */
  readonly blocks: boolean;
  /** The words that decided, in lower case. */
  readonly because: readonly string[];
  readonly next: string;
  readonly steps: readonly string[];
  /** What proves that it is done; metadata alone. */
  readonly evidence: readonly string[];
}

const MAX_TEXT = 4096;
const WHERE: readonly (readonly [place: 'below' | 'prod', words: string])[] = [
  ['below', 'dev|development|test|testing|laptop|workstation'],
  ['prod', 'prod|production'],
];
const UNSEAL =
  /\b(?:unseal(?:ed|ing)?|sealed|shamir|(?:unseal|recovery) keys?|key shares?|generate-root|rekey(?:ing)?|quorum of (?:keys?|shares?))\b/g;
const MATURITY = /\b(?:maturity|immature|mature enough|maturity levels?)\b/g;
const LEVEL = /\bm[0-3]\b/g;

type Answer = Omit<Blocker, 'kind' | 'because'>;

const ANSWERS: Readonly<Record<BlockerKind, Answer>> = {
  double: {
    blocks: false,
    next: 'use the doubles: warden doubles --dir DIR, and put DIR first in PATH',
    steps: [
      'dev and test get synthetic values only: no real value is needed here, and none may come',
      'warden doubles --dir DIR; PATH=DIR:$PATH',
      'a test OpenBao that is sealed or lost is started anew: nothing in it is worth a ceremony',
    ],
    evidence: ['the run passes with values that begin synthetic-'],
  },
  owner_custody: {
    blocks: true,
    next: 'ask the owner of the credential’s path; warden holds no value and fetches none of its own',
    steps: [
      'find the owner and the path: warden route find "NEED"',
      'may the workload have it? warden posture check --manifest FILE',
      'the owner puts the value where it belongs, and says so by metadata alone',
      'the gate allows it (warden policy check), and one run that must be denied is',
    ],
    evidence: [
      'route id',
      'owner',
      'environment and maturity',
      'decision id',
      'path and version',
      'number of keys',
      'id of the smoke run',
      'token accessor',
    ],
  },
  maturity: {
    blocks: true,
    next: 'the workload has to be more mature first: its owner raises it, or does without the secret',
    steps: [
      'which level asks for what: warden policy list, warden policy show M2',
      'what is missing, flow by flow: warden posture check --manifest FILE',
      'the workload’s owner raises its maturity, with evidence; a copy of the secret by another way is a write-down',
    ],
    evidence: ['the manifest with the new maturity', 'warden posture check ends with 0'],
  },
  ceremony: {
    blocks: true,
    next: 'unsealing production is a ceremony: the holders of the shares come together, and a person signs',
    steps: [
      'is it sealed? warden doctor',
      'call the holders of the shares (3 of 5); nobody has two, no program has one',
      'logins go on by the keys of the agent behind meanwhile: warden hides them only beside a certificate',
    ],
    evidence: ['who was there, when, who signed', 'warden doctor: bao.reachable'],
  },
  unclear: {
    blocks: true,
    next: 'say where: "in dev", "in test" or "in prod"; or that OpenBao is sealed; or which maturity is asked for',
    steps: [],
    evidence: [],
  },
};

/** Where it happens, by the words before the name (`in prod`, `prod cluster`), else by the only place that is named. */
function placeOf(text: string): {
  readonly place: 'below' | 'prod' | undefined;
  readonly words: readonly string[];
} {
  const found = WHERE.map(([place, words]) => {
    const aimed = `\\b(?:in|on|for|at|into|under|inside)\\s+(?:the\\s+|my\\s+|our\\s+|a\\s+)?(?:${words})\\b|\\b(?:${words})\\s+(?:environment|cluster|tier|namespace|stage)\\b|\\benv(?:ironment)?\\s*[:=]\\s*(?:${words})\\b`;
    return {
      place,
      aimed: [...text.matchAll(new RegExp(aimed, 'g'))].map(([word]) => word),
      // "test" alone is what people do, and no place.
      named: [...text.matchAll(new RegExp(`\\b(?:${words})\\b`, 'g'))].flatMap(([word]) =>
        word.startsWith('test') ? [] : [word],
      ),
    };
  });
  for (const by of ['aimed', 'named'] as const) {
    const places = found.filter((each) => each[by].length > 0);
    const [only] = places;
    if (only !== undefined && places.length === 1) return { place: only.place, words: only[by] };
    if (places.length > 1) break;
  }
  return { place: undefined, words: [] };
}

/** Total: any text has an answer. Only its first 4096 characters are read. */
export function classifyBlocker(text: string): Blocker {
  const read = text.slice(0, MAX_TEXT).toLowerCase();
  const words = (pattern: RegExp) => [...read.matchAll(pattern)].map(([word]) => word);
  const { place, words: where } = placeOf(read);
  const unseal = words(UNSEAL);
  const levels = words(LEVEL);
  const maturity = [...words(MATURITY), ...(new Set(levels).size > 1 ? levels : [])];
  const by = (kind: BlockerKind, because: readonly string[]): Blocker => ({
    kind,
    because: [...new Set(because)],
    ...ANSWERS[kind],
  });
  if (place === 'below') return by('double', where);
  if (unseal.length > 0) return by('ceremony', unseal);
  if (maturity.length > 0) return by('maturity', maturity);
  return place === 'prod' ? by('owner_custody', where) : by('unclear', []);
}
