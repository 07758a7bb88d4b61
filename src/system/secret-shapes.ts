/**
 * Texts that look like a secret: the tokens that could come near warden (OpenBao, Vault, GitHub, AWS, JWT), private keys, and, where a
 * caller wants more, keys of API providers and long runs without a pattern. Not a scanner for secrets in general.
 * Shapes: OpenBao's `s.`, `b.` and `r.` tokens (24 characters and more), Vault's `hvs.`, `hvb.`, `hvr.`.
 */

// A name like `s.abcdefghijklmnopqrstuvwxyz.example.com` is no token: those are base62, so an upper-case letter is asked for.
const TOKEN = new RegExp(
  [
    'hv[sbr]\\.[\\w-]{20}',
    '[sbr]\\.(?=[\\w-]*[A-Z])[\\w-]{24}',
    'gh[pousr]_\\w{20}',
    'github_pat_\\w{20}',
    'A[KS]IA[0-9A-Z]{16}',
    'eyJ[\\w-]{8,}\\.[\\w-]{8}',
  ]
    .map((shape) => `(?<![A-Za-z0-9])${shape}`)
    .concat('-----BEGIN [A-Z0-9 ]*PRIVATE KEY')
    .join('|'),
);

/** API keys (`sk-…`), npm's, GitLab's and Slack's tokens: a host could have such a name, so not for the trail. */
const API_KEY =
  /(?<![A-Za-z0-9])(?:sk-(?=[\w-]*\d)[\w-]{20}|npm_[A-Za-z0-9]{30}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10})/;

const RUN = /[A-Za-z0-9+/_=-]{24,}/g;
const FINGERPRINT = /SHA256:[A-Za-z0-9+/]{43}/g;
/** Bits of a character: English in lower case has about 4 in a long run, base64 of random bytes about 5. */
const RANDOM_BITS = 4.2;

/** Whether the text holds a token or a private key of a known form. */
export function holdsToken(text: string): boolean {
  return TOKEN.test(text);
}

/** The same, and API keys, and runs that no person has written: for texts that hold neither keys nor hashes but fingerprints. */
export function looksSecret(text: string): boolean {
  if (holdsToken(text) || API_KEY.test(text)) return true;
  return (text.replace(FINGERPRINT, '').match(RUN) ?? []).some(isRandom);
}

function isRandom(run: string): boolean {
  const mixed = /[a-z]/.test(run) && /[A-Z]/.test(run) && /\d/.test(run);
  return mixed && bitsOf(run) > RANDOM_BITS;
}

/** Shannon's entropy of its characters. */
function bitsOf(run: string): number {
  const counts = new Map<string, number>();
  for (const letter of run) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return [...counts.values()].reduce(
    (sum, count) => sum - (count / run.length) * Math.log2(count / run.length),
    0,
  );
}

/** Long runs; a fingerprint is one whole, so that no part of it is taken for another. */
const LONG_RUN = /SHA256:[A-Za-z0-9+/]{43}|[A-Za-z0-9+]{32,}/g;

/**
 * Whether the kind of character (upper, lower, digit) changes as in random base62 or base64: at six places of ten, and to digits more than
 * once. In words that are written together there are no digits in between; hex, ULIDs and UUIDs have not all three kinds.
 */
function changesAtRandom(run: string): boolean {
  const kinds = run
    .replace(/[0-9+]/g, '0')
    .replace(/[A-Z]/g, 'A')
    .replace(/[a-z]/g, 'a');
  const groups = kinds.match(/0+|A+|a+/g) ?? [];
  const digits = groups.filter((group) => group.startsWith('0'));
  return kinds.includes('A') && kinds.includes('a') && digits.length > 1 && groups.length > 0.4 * run.length;
}

/**
 * Whether the text holds 32 characters or more that no person has written: for records, which hold paths, hashes and fingerprints, where a name
 * that is taken for a secret costs a login.
 */
export function holdsRandom(text: string): boolean {
  for (const [run] of text.matchAll(LONG_RUN)) {
    if (!run.startsWith('SHA256:') && changesAtRandom(run)) return true;
  }
  return false;
}
