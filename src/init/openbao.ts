/**
 * What OpenBao tells `warden init`, asked with the caller's own token (promise 6): engines, roles, what the token may sign. Each question
 * may be forbidden; then the answer is a note, and the person or the flags must know.
 */
import type { OpenBaoConfig } from '../config/config.ts';
import { openAccess } from '../credentials/access.ts';
import { asWardenError } from '../errors.ts';
import type { Authorization } from '../openbao/headers.ts';
import { createSurvey, type RoleFields, type Survey } from '../openbao/survey.ts';

const DEADLINE_MS = 3_000;

export interface Seen {
  /** The engine to use: the one that was named, else `ssh`, else the only one there is. */
  readonly mount: string;
  /** SSH engines that the token may see; undefined: not known. */
  readonly mounts: readonly string[] | undefined;
  /** Roles of the mount that the token may sign with, among those that could be asked about; undefined: not known. */
  readonly signable: readonly string[] | undefined;
  /** What could not be found out, and why: a line each. */
  readonly notes: readonly string[];
}

export interface OpenBaoView {
  readonly seen: Seen;
  /** The fields of a role; undefined where there is none or it may not be read. */
  role(name: string): Promise<RoleFields | undefined>;
  close(): Promise<void>;
}

/**
 * Asks about `mount`, or about the engine that fits. `proposed` are roles that may be there though nobody may list them. The token is
 * taken out of `env`. Never throws but `config_invalid` for unusable TLS files.
 */
export async function lookAtOpenBao(
  openbao: OpenBaoConfig,
  mount: string | undefined,
  proposed: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<OpenBaoView> {
  const access = openAccess(openbao, { environment: { env, taken: {} }, unwrap: false });
  const survey = createSurvey(access.http, openbao.namespace);
  const notes: string[] = [];
  const note = (what: string) => (thrown: unknown) => {
    const { message, hint } = asWardenError(thrown);
    notes.push(`${what}: ${message}${hint === '' ? '' : ` (${hint})`}`);
    return undefined;
  };
  const authorization = await access.credential
    .authorization(DEADLINE_MS)
    .catch(note('OpenBao is not asked'));
  if (authorization === undefined) {
    return {
      seen: { mount: mount ?? openbao.mount, mounts: undefined, signable: undefined, notes },
      role: async () => undefined,
      close: access.close,
    };
  }
  const seen = await ask(survey, authorization, mount ?? openbao.mount, mount === undefined, proposed, note);
  return {
    seen: { ...seen, notes },
    role: (name) => survey.role(authorization, seen.mount, name, DEADLINE_MS).catch(() => undefined),
    close: access.close,
  };
}

async function ask(
  survey: Survey,
  authorization: Authorization,
  usual: string,
  free: boolean,
  proposed: readonly string[],
  note: (what: string) => (thrown: unknown) => undefined,
): Promise<Omit<Seen, 'notes'>> {
  const mounts = await survey
    .sshMounts(authorization, DEADLINE_MS)
    .catch(note("OpenBao's engines can't be listed"));
  // Where the first question can't be answered for another reason than a policy, the others can't either.
  if (mounts === undefined) return { mount: usual, mounts, signable: undefined };
  const [only] = mounts;
  const mount = free && only !== undefined && mounts.length === 1 ? only : usual;
  const listed = await survey
    .roles(authorization, mount, DEADLINE_MS)
    .catch(note(`the roles of ${mount} can't be listed`));
  const names = [...new Set([...(listed ?? []), ...proposed])];
  const allowed = await survey
    .maySign(authorization, mount, names, DEADLINE_MS)
    .catch(note('OpenBao does not say what the token may sign'));
  const exists = (role: string) => listed === undefined || listed.includes(role);
  return { mount, mounts, signable: allowed?.filter(exists) };
}
