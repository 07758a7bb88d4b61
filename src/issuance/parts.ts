/** What a mint needs, made of a configuration: the way to OpenBao, its CAs, the pause. The daemon and `warden sign` without one both begin here. */
import type { OpenBaoConfig } from '../config/config.ts';
import { caPins } from '../openbao/ca-pins.ts';
import { createHttpClient } from '../openbao/http-client.ts';
import { createPause } from '../openbao/pause.ts';
import { sshEngine } from '../openbao/ssh-engine.ts';
import type { MintDependencies } from './mint.ts';

type Given = Pick<MintDependencies, 'clock' | 'trail' | 'credential' | 'queue' | 'onSkew'>;

export interface IssuanceOptions extends Given {
  /** Where the learnt CAs are kept. */
  readonly stateDir: string;
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

/** Connects to nothing yet. Throws `config_invalid`. */
export function issuanceParts(openbao: OpenBaoConfig, options: IssuanceOptions): IssuanceParts {
  const { stateDir, ...given } = options;
  const http = createHttpClient(openbao.addresses, openbao.tls);
  const engine = sshEngine(http, openbao.mount, openbao.namespace);
  const server = [openbao.addresses[0], openbao.namespace ?? '', openbao.mount].join(' ');
  const learnCas = (ms: number) => engine.caPublicKeys(ms);
  const pins = caPins({ configured: openbao.sshCa, stateDir, server, learn: learnCas });
  const pause = createPause(given.clock, (ms) => engine.healthy(ms));
  let identity: string | undefined;
  return {
    issuance: {
      ...given,
      engine,
      pins,
      pause,
      mount: openbao.mount,
      keyId: openbao.keyId,
      identity: () => identity,
    },
    async learn(deadlineMs) {
      await pins.expected(deadlineMs);
      await engine.healthy(deadlineMs);
      const { displayName, entityId } = await engine.lookupSelf(await given.credential.token(), deadlineMs);
      identity = entityId === '' ? displayName : `${displayName} (entity ${entityId})`;
    },
    close() {
      pause.close();
      http.close();
    },
  };
}
