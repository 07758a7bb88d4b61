/** This machine: what warden stands on, and the ssh that the person starts. */
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import { FIRST_WITH_BINDS } from '../ssh-program.ts';

export function checkMachine({ libcFailure, ssh }: Pick<Facts, 'libcFailure' | 'ssh'>): readonly Finding[] {
  return [checkLibrary(libcFailure), checkSsh(ssh)];
}

function checkLibrary(failure: string | undefined): Finding {
  if (failure !== undefined) {
    return finding(
      'problem',
      'machine.koffi',
      `the package koffi can't be loaded, so nothing is minted: ${failure}`,
      {
        todo: 'install warden with its dependencies (npm ci, or npm install -g) on a platform that koffi has a build for',
      },
    );
  }
  return ok('machine.koffi', 'the system calls that warden needs are there');
}

function checkSsh(ssh: Facts['ssh']): Finding {
  if (ssh === undefined) {
    return finding('problem', 'machine.no_ssh', 'there is no ssh that runs on PATH', {
      from: 'PATH',
      todo: 'install the OpenSSH client, 8.9 or newer',
    });
  }
  if (ssh.number === undefined || ssh.number < FIRST_WITH_BINDS) {
    return finding(
      'problem',
      'machine.old_ssh',
      `${ssh.text} does not tell its agent where a login goes (OpenSSH does from ${FIRST_WITH_BINDS} on)`,
      {
        from: 'ssh -V',
        todo: 'install a newer OpenSSH client: with this one only the keys of the agent behind warden work',
      },
    );
  }
  return ok('machine.ssh', ssh.text, 'ssh -V');
}
