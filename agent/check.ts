/** `warden agent --check`: is everything that a start would need in order? Makes nothing, starts nothing. */

import { dirname } from 'node:path';
import { loadConfig } from '../src/config/load.ts';
import { ConfigError, problemLine } from '../src/config/problems.ts';
import { asWardenError } from '../src/errors.ts';
import { checkPrivateDirectory } from '../src/system/directories.ts';
import { sanitizeLine } from '../src/system/sanitize.ts';
import { refuseOtherFile } from './listener.ts';

/** One line for each thing that is wrong, with what to do. */
export function errorLines(thrown: unknown): readonly string[] {
  const problems =
    thrown instanceof ConfigError
      ? thrown.problems.map((problem) => ({ text: problemLine(problem), hint: problem.hint }))
      : [{ text: asWardenError(thrown).message, hint: asWardenError(thrown).hint }];
  return problems.map(
    ({ text, hint }) => `warden: ${sanitizeLine(text)}${hint === '' ? '' : ` (${sanitizeLine(hint)})`}`,
  );
}

/** Returns what to say. Throws ConfigError, or another WardenError with exit code 78. */
export function checkConfiguration(input: Parameters<typeof loadConfig>[0]): string {
  const config = loadConfig(input);
  checkPrivateDirectory(config.stateDir);
  checkPrivateDirectory(dirname(config.agent.socket));
  refuseOtherFile(config.agent.socket);
  const warnings = config.warnings.map((warning) => `warning: ${warning}\n`).join('');
  return `${warnings}configuration is good: ${config.file ?? 'defaults'}\n`;
}
