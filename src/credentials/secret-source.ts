/** Where the secret of a login is: an environment variable, taken out at the start, or a file, read anew at each login. */
import { WardenError } from '../errors.ts';
import { parseToken } from './credential.ts';
import { type SecretEnvironment, takeVariable } from './environment.ts';
import { secretFile } from './secret-file.ts';

export interface SecretSource {
  /** One word of printable ASCII. Throws `no_token` with what to do. */
  read(): Promise<string>;
  describe(): string;
}

export interface SecretPlaces {
  readonly variable?: string | undefined;
  readonly file?: string | undefined;
}

/** `what` names the secret: `secret id`. Undefined: neither place is named. */
export function secretSource(
  what: string,
  { variable, file }: SecretPlaces,
  environment: SecretEnvironment,
): SecretSource | undefined {
  if (variable !== undefined) {
    const taken = takeVariable([variable], environment);
    return {
      async read() {
        if (taken !== undefined) return parseToken(taken.value, variable, `put the ${what} there`);
        throw new WardenError('no_token', `no ${what}: ${variable} is empty`, {
          hint: `start the agent with the ${what} in ${variable}`,
        });
      },
      describe: () => `environment ${variable}`,
    };
  }
  if (file === undefined) return undefined;
  const hint = `put a ${what} there`;
  const source = secretFile(file, `file with a ${what}`, hint);
  return {
    async read() {
      const text = await source.read();
      if (text !== undefined) return parseToken(text, file, hint);
      throw new WardenError('no_token', `no ${what}: ${file} is missing or empty`, { hint });
    },
    describe: () => `file ${file}`,
  };
}
