/** Words that mean the same to whoever needs a credential; the index has them, so that no search looks here. What only one lane calls something belongs into its need_keywords. */
import { stemmer } from 'stemmer';

const GROUPS = `
  certificate cert
  credential credentials creds
  password passwd passphrase pwd
  login signin logon authenticate authentication session
  sso oidc
  openbao bao vault
  database db
  postgres postgresql psql
  mysql mariadb
  bucket s3
  tunnel tunnels tunnelling
  host server machine box vm node
  shell terminal console
  allowed permitted permission may authorized
  denied deny forbidden refused
  authorization authz
  llm gpt
  publish release upload
  temporary short-lived ephemeral dynamic expire
  key apikey
  principal principals
  ticket issue
`;

const byStem: ReadonlyMap<string, readonly string[]> = new Map(
  GROUPS.trim()
    .split('\n')
    .flatMap((line) => {
      const stems = [...new Set(line.trim().split(' ').map(stemmer))];
      return stems.map((stem) => [stem, stems.filter((other) => other !== stem)] as const);
    }),
);

/** Stems of what else means the same. */
export function synonymsOf(stem: string): readonly string[] {
  return byStem.get(stem) ?? [];
}
