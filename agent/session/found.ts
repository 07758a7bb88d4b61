/** What finding out where a login goes begins with and ends with, whichever way it is: direct, forwarded, unbound. */
import type { Lane } from '../../src/catalog/lane.ts';
import type { AgentConfig } from '../../src/config/config.ts';
import type { ProvedName } from '../../src/destination/destination.ts';
import type { MintDependencies } from '../../src/issuance/mint.ts';
import type { Purpose } from '../keystore/minted-identity.ts';
import type { SharedIdentities } from '../keystore/shared-identities.ts';
import type { Binding } from './binding.ts';
import type { LoginWait } from './login-wait.ts';
import type { Register } from './register.ts';
import type { ResolveDependencies } from './resolve.ts';
import { narrowed, type SocketScope } from './socket-scope.ts';

export interface LoginDependencies extends ResolveDependencies {
  readonly agent: Pick<AgentConfig, 'sshPrograms' | 'directPeers'>;
  readonly register: Register;
  readonly shared: SharedIdentities;
  readonly issuance: MintDependencies;
  readonly loginWait: LoginWait;
}

/** Where a login goes, by which lane, and what its signature is held to. */
export interface Found extends Omit<Purpose, 'forwarded'> {
  /** How the host's name was proved. */
  readonly source: string;
}

/** A login whose bind has proved where it goes: by `lane` for `name`, as the socket narrows it. Throws `wrong_socket`. */
export function foundByBind(
  binding: Binding,
  { lane, name }: { readonly lane: Lane; readonly name: ProvedName },
  scope: SocketScope,
  { via, user }: Pick<Found, 'via' | 'user'>,
): Found {
  return {
    lane: narrowed(lane, scope),
    host: name.name,
    source: `${name.how} ${name.source}`,
    binding,
    via,
    user,
    holder: undefined,
    isHostKey: (hostKey) => hostKey.equals(binding.hostKey),
  };
}
