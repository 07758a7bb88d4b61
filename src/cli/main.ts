/** The command line: one file per command, thin: parse, call, print. `scripts/warden` starts it. */
import { quick } from './quick.ts';

async function main(): Promise<void> {
  if (await quick(process.argv.slice(2))) return;
  const { runProgram } = await import('./program.ts');
  await runProgram();
}

void main();
