/**
 * Secrets in environment variables: taken out of the environment at the start, so that no child inherits them, and kept for the next
 * credential of the same process, whose configuration may name them again.
 */

export interface SecretEnvironment {
  /** The variables; what is taken is deleted from it. */
  readonly env: NodeJS.ProcessEnv;
  /** What was taken so far. */
  readonly taken: NodeJS.ProcessEnv;
}

/** The first of the variables that holds something; all of them are taken out. */
export function takeVariable(
  names: readonly string[],
  { env, taken }: SecretEnvironment,
): { readonly name: string; readonly value: string } | undefined {
  let first: { name: string; value: string } | undefined;
  for (const name of names) {
    const value = env[name] ?? taken[name];
    if (value === undefined) continue;
    taken[name] = value;
    delete env[name];
    if (first === undefined && value !== '') first = { name, value };
  }
  return first;
}
