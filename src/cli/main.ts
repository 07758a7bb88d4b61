/** The command line: one file per command, thin: parse, call, print. `scripts/warden` starts it. */
import { Command } from 'commander';
import { EXIT } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { VERSION } from '../version.ts';
import { accessCommand } from './access.ts';
import { activityCommand } from './activity.ts';
import { agentCommand } from './agent.ts';
import { auditCommand } from './audit.ts';
import { envCommand } from './env.ts';
import { labCommand } from './lab.ts';
import { statusCommand } from './status.ts';
import { whyCommand } from './why.ts';

// `warden activity | head`: whoever reads no further has what they want.
process.stdout.on('error', () => process.exit(EXIT.ok));

const program = new Command('warden')
  .description(
    'An SSH agent: for each login a certificate of its own, made by OpenBao, in memory, and written down.',
  )
  .version(VERSION)
  // `agent` and `agent socket` both have --json.
  .enablePositionalOptions()
  // One line: commander may put a suggestion ("Did you mean …?") on a second.
  .configureOutput({
    outputError: (text, write) =>
      write(
        `warden: ${sanitizeLine(
          text
            .trim()
            .replace(/^error: /, '')
            .replaceAll('\n', ' '),
        )} (warden --help)\n`,
      ),
  })
  .exitOverride((error) => {
    // commander ends with 1 on wrong usage; sysexits.h and interface.md have 64 for it.
    process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  })
  .addHelpText(
    'after',
    `
Examples:
  $ eval "$(warden agent --background)"    start the agent for this shell
  $ ssh host                               log in as ever
  $ warden why host                        when it did not`,
  );

for (const make of [
  agentCommand,
  accessCommand,
  envCommand,
  statusCommand,
  whyCommand,
  activityCommand,
  auditCommand,
  labCommand,
]) {
  program.addCommand(make().copyInheritedSettings(program));
}
await program.parseAsync();
