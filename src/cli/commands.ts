/**
 * The commands, each with the line that `--help` has for it. A command's own file, with all that it needs, is loaded only when that
 * command is asked for: people wait for every one of these milliseconds.
 */
import { Command } from 'commander';
import { sanitizeLine } from '../system/sanitize.ts';
import { VERSION } from '../version.ts';
import { write } from './context.ts';

/** Adds options, arguments, examples and the action to a command that has its name and description. */
type Fill = (command: Command) => void;

interface Entry {
  readonly name: string;
  readonly about: string;
  readonly load: () => Promise<Fill>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: 'agent',
    about: 'run the agent in the foreground (or: --background, --reload, --stop, --check)',
    load: async () => (await import('./agent.ts')).agentCommand,
  },
  {
    name: 'init',
    about: 'write a first configuration; or print what OpenBao’s administrator runs; or undo it all',
    load: async () => (await import('./init.ts')).initCommand,
  },
  {
    name: 'access',
    about:
      "one-shot session: exactly ssh, on warden's socket, with an agent if none is running; or who serves a need",
    load: async () => (await import('./access.ts')).accessCommand,
  },
  {
    name: 'env',
    about: 'print what ssh needs to use the running agent, for a shell, cron or a unit',
    load: async () => (await import('./env.ts')).envCommand,
  },
  {
    name: 'login',
    about: 'log the running agent in to OpenBao; a password is asked for on the terminal',
    load: async () => (await import('./login.ts')).loginCommand,
  },
  {
    name: 'logout',
    about: "revoke the running agent's token and forget it",
    load: async () => (await import('./logout.ts')).logoutCommand,
  },
  {
    name: 'doctor',
    about: 'what would happen for a login, step by step, and what to do where it fails',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  {
    name: 'status',
    about: 'the running agent: where it listens, what it mints from, how it is',
    load: async () => (await import('./status.ts')).statusCommand,
  },
  {
    name: 'policy',
    about:
      'the gate in front of every certificate: put cases to it, switch it on or off, break-glass; posture’s levels',
    load: async () => (await import('./policy.ts')).policyCommand,
  },
  {
    name: 'why',
    about: 'why a login got no certificate, and what to do: the last refusals, newest first',
    load: async () => (await import('./why.ts')).whyCommand,
  },
  {
    name: 'sign',
    about: 'a certificate for a key in a file, for tools that can’t use the agent (cert_command)',
    load: async () => (await import('./sign.ts')).signCommand,
  },
  {
    name: 'issue',
    about: 'a new key and its certificate in a directory, for agt- and atm- actors',
    load: async () => (await import('./issue.ts')).issueCommand,
  },
  {
    name: 'ssh-config',
    about: 'IdentityAgent or CertificateFile for the hosts of your lanes: print it, write it, take it out',
    load: async () => (await import('./ssh-config.ts')).sshConfigCommand,
  },
  {
    name: 'inventory',
    about: 'who certificates are for: list, show, add, remove, import, check',
    load: async () => (await import('./inventory.ts')).inventoryCommand,
  },
  {
    name: 'scorecard',
    about: 'is the house in order: actors, certificates in files, roles',
    load: async () => (await import('./scorecard.ts')).scorecardCommand,
  },
  {
    name: 'cleanup',
    about: 'take certificates out of state_dir that serve nobody any more',
    load: async () => (await import('./cleanup.ts')).cleanupCommand,
  },
  {
    name: 'log',
    about: 'the history of certificates, of one actor or all',
    load: async () => (await import('./log.ts')).logCommand,
  },
  {
    name: 'route',
    about: 'who serves which kind of need: list, show, find, check, promote',
    load: async () => (await import('./route.ts')).routeCommand,
  },
  {
    name: 'tunnel',
    about: 'is a tunnel ready for certificates, and the record that it was switched',
    load: async () => (await import('./tunnel.ts')).tunnelCommand,
  },
  {
    name: 'drift',
    about: 'do inventory and lanes, OpenBao’s roles and the hosts say the same?',
    load: async () => (await import('./drift.ts')).driftCommand,
  },
  {
    name: 'gap',
    about: 'what warden is for beside what is there, with the evidence',
    load: async () => (await import('./gap.ts')).gapCommand,
  },
  {
    name: 'posture',
    about: 'are workloads, hosts and OpenBao set up as they should be?',
    load: async () => (await import('./posture.ts')).postureCommand,
  },
  {
    name: 'blocker',
    about: 'what stands in the way of somebody who lacks a credential, and the next step',
    load: async () => (await import('./blocker.ts')).blockerCommand,
  },
  {
    name: 'doubles',
    about: 'stand-ins of bao and key-cape for dev and test, with synthetic values',
    load: async () => (await import('./doubles.ts')).doublesCommand,
  },
  {
    name: 'activity',
    about: 'the certificates that were issued, from the trail',
    load: async () => (await import('./activity.ts')).activityCommand,
  },
  {
    name: 'audit',
    about: 'the trail',
    load: async () => (await import('./audit.ts')).auditCommand,
  },
  {
    name: 'revoke',
    about: 'print the line that revokes one certificate, and what to do with it',
    load: async () => (await import('./revoke.ts')).revokeCommand,
  },
  {
    name: 'worker',
    about: 'answer routing questions that reach the hub, and run checks on a schedule',
    load: async () => (await import('./worker.ts')).workerCommand,
  },
  {
    name: 'lab',
    about: 'try everything without infrastructure: an OpenBao stand-in and two SSH servers, on loopback',
    load: async () => (await import('./lab.ts')).labCommand,
  },
  {
    name: 'completion',
    about: 'print what completes these commands in a shell',
    load: async () => (await import('./completion.ts')).completionCommand,
  },
];

/** One line: commander may put a suggestion ("Did you mean …?") on a second. */
function usageError(text: string): string {
  const reason = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll('\n', ' ');
  return `warden: ${sanitizeLine(reason)} (warden --help)\n`;
}

/**
 * The whole command line. Only the commands that `wanted` says yes to have more than a name and a description.
 */
export async function wardenProgram(wanted: (name: string) => boolean): Promise<Command> {
  const program = new Command('warden')
    .description(
      'An SSH agent: for each login a certificate of its own, made by OpenBao, in memory, and written down.',
    )
    .version(VERSION)
    // `agent` and `agent socket` both have --json.
    .enablePositionalOptions()
    .configureOutput({ writeOut: write, outputError: (text, write) => write(usageError(text)) })
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  $ eval "$(warden agent --background)"    start the agent for this shell
  $ ssh host                               log in as ever
  $ warden why host                        when it did not
  $ warden doctor host                     when that says nothing`,
    );
  for (const { name, about, load } of COMMANDS) {
    const command = program.command(name).description(about);
    if (wanted(name)) (await load())(command);
  }
  return program;
}
