/** `warden status ACTOR`: the certificates of an actor in files. */
import { EXIT } from '../errors.ts';
import { certificatesOnFile, endOf, type OnFile } from '../issuance/on-file.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, print, printJson } from './context.ts';

function plain({ path, actor, state, certificate }: OnFile, now: number) {
  if (certificate === undefined) return { actor, file: path, state };
  const { keyId, principals, serial } = certificate;
  const left = Number(certificate.validBefore) - Math.floor(now / 1000);
  return {
    actor,
    file: path,
    state,
    key_id: keyId,
    serial: serial.toString(),
    principals,
    valid_before: endOf(certificate),
    seconds_left: Math.max(0, left),
  };
}

/** Prints them; exit 1 where none is valid. Throws what the configuration throws. */
export async function showActor(actor: string, flags: CommonFlags, json: boolean): Promise<void> {
  const now = Date.now();
  const found = certificatesOnFile(configOf(flags).stateDir, now, actor).map((each) => plain(each, now));
  if (!found.some(({ state }) => state === 'valid')) process.exitCode = EXIT.no;
  if (json) return printJson(found);
  if (found.length === 0) return print(sanitizeLine(`${actor} has no certificate in a file`));
  const lines = found.flatMap((each) =>
    Object.entries(each).map(([key, value]) =>
      sanitizeLine(`${key.padEnd(14)}${Array.isArray(value) ? value.join(', ') : String(value)}`),
    ),
  );
  print(lines.join('\n'));
}
