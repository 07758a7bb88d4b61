/** What a mint needs, made of a configuration: the way to OpenBao, its CAs, the pause. The daemon and `warden sign` without one both begin here. */
import type { OpenBaoConfig, PolicyConfig } from '../config/config.ts';
import type { Access } from '../credentials/access.ts';
import { caPins } from '../openbao/ca-pins.ts';
import { createPause } from '../openbao/pause.ts';
import { Quotas } from '../openbao/quotas.ts';
import { sshEngine } from '../openbao/ssh-engine.ts';
import { createGate } from '../policy/gate.ts';
import type { MintDependencies } from './mint.ts';

type Given = Pick<MintDependencies, 'clock' | 'trail' | 'queue' | 'onSkew'>;

export interface IssuanceOptions extends Given {
  readonly policy: PolicyConfig | undefined;
  /** Where the learnt CAs are kept. */
  readonly stateDir: string;
  /** Stays open when the parts are closed. */
  readonly access: Access;
}

export interface IssuanceParts {
  readonly issuance: MintDependencies;
  /**
   * Opens the connection that the first mint will use, and learns what only has to be asked once: the CAs, whose token it is. Throws
   * what stands in the way, after so many milliseconds at most for each question.
   */
  learn(deadlineMs: number): Promise<void>;
  close(): void;
}

/** Asks nothing yet. Throws `config_invalid`. */
export function issuanceParts(openbao: OpenBaoConfig, options: IssuanceOptions): IssuanceParts {
  const { stateDir, access, policy, ...given } = options;
  const { http, credential } = access;
  const engine = sshEngine(http, openbao.mount, openbao.namespace);
  const server = [openbao.addresses[0], openbao.namespace ?? '', openbao.mount].join(' ');
  const learnCas = (ms: number) => engine.caPublicKeys(ms);
  const pins = caPins({ configured: openbao.sshCa, stateDir, server, learn: learnCas });
  const gate = policy?.enabled === true ? createGate(policy, { clock: given.clock, stateDir }) : undefined;
  const pause = createPause(given.clock, (ms) => engine.healthy(ms));
  return {
    issuance: {
      ...given,
      engine,
      gate,
      credential,
      pins,
      pause,
      quotas: new Quotas(given.clock),
      mount: openbao.mount,
      addresses: openbao.addresses.length,
      keyId: openbao.keyId,
    },
    async learn(deadlineMs) {
      await pins.expected(deadlineMs);
      await engine.healthy(deadlineMs);
      await credential.warm(deadlineMs);
    },
    close() {
      pause.close();
      gate?.close();
    },
  };
}
