/** The command line: one file per command, thin: parse, call, print. `scripts/warden` starts it. */
import { quickCommand } from './quick.ts';

const run =
  quickCommand(process.argv.slice(2)) ?? import('./program.ts').then(({ runProgram }) => runProgram());
run.catch((thrown: unknown) => {
  throw thrown;
});
