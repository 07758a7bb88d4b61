/** What finding out where a login goes begins with and ends with, whichever way it is: direct, forwarded, unbound. */
import type { AgentConfig } from '../../src/config/config.ts';
import type { MintDependencies } from '../../src/issuance/mint.ts';
import type { Purpose } from '../keystore/minted-identity.ts';
import type { SharedIdentities } from '../keystore/shared-identities.ts';
import type { Register } from './register.ts';
import type { ResolveDependencies } from './resolve.ts';

export interface LoginDependencies extends ResolveDependencies {
  readonly agent: Pick<AgentConfig, 'sshPrograms' | 'directPeers'>;
  readonly register: Register;
  readonly shared: SharedIdentities;
  readonly issuance: MintDependencies;
}

/** Where a login goes, by which lane, and what its signature is held to. */
export interface Found extends Omit<Purpose, 'forwarded'> {
  /** How the host's name was proved. */
  readonly source: string;
  /** The hosts that a forwarded login came through, first to last. */
  readonly via: readonly string[];
}
