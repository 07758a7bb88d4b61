/**
 * The second of two nets: the record's allow-list has no field for a secret, and a value that looks like one is refused
 * all the same. Knows the tokens that could come near warden (OpenBao, Vault, GitHub, AWS, JWT) and private keys; it is
 * not a scanner for secrets in general.
 * Shapes: OpenBao's `s.`, `b.` and `r.` tokens (24 characters and more), Vault's `hvs.`, `hvb.`, `hvr.`.
 */
import { WardenError } from '../errors.ts';

// A name like `s.abcdefghijklmnopqrstuvwxyz.example.com` is no token: those are base62, so an upper-case letter is asked for.
const SECRET = new RegExp(
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

/** Throws `malformed` if the text holds something that looks like a secret; the error does not repeat it. */
export function refuseSecrets(text: string): void {
  if (!SECRET.test(text)) return;
  throw new WardenError(
    'malformed',
    'a trail record would hold something that looks like a token or a private key',
    {
      hint: 'nothing was written; if it is a name (host, login, actor), choose one that does not look like a token',
    },
  );
}
