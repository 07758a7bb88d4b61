/**
 * docs/openbao.md put to use: the administrator's blocks run by the real `bao`, the configurations served by daemons. For the tests of its
 * sections.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { fetchRefusals } from '../../src/control/client.ts';
import type { Refusal } from '../../src/control/messages.ts';
import { asAdministrator, type CredentialRig, type DaemonOptions } from './credential-rig.ts';
import { openbaoBinary } from './openbao.ts';
import { blocks } from './pages.ts';
import type { Warden } from './warden.ts';

/** The role that the page grants. */
export const ROLE = 'warden-jit-adm';
export const BAO = openbaoBinary() ?? 'bao';

const configuration = z.object({
  openbao: z.object({ addr: z.string(), auth: z.record(z.string(), z.unknown()) }).catchall(z.unknown()),
});

export interface Given extends DaemonOptions {
  readonly auth?: Readonly<Record<string, unknown>>;
}

export interface OpenBaoPage {
  /** The code block behind `<!-- openbao:NAME -->`. */
  block(name: string): string;
  /** Runs a script as OpenBao's administrator, in the rig's directory. */
  asAdministrator(script: string): Promise<string>;
  /** A daemon by the section's configuration; only what differs on this machine is laid over it. */
  byDocumentation(name: string, given?: Given): Promise<Warden>;
  logsIn(warden: Warden): Promise<void>;
  /** Logs in without success, and returns why. */
  refusal(warden: Warden): Promise<Refusal | undefined>;
  /** A file that a script has left in the rig's directory. */
  read(name: string): string;
}

/** The page on a file's rig; the role and its policy are made before the tests. */
export function useOpenBaoPage(rig: () => CredentialRig): OpenBaoPage {
  const block = (name: string) => blocks('docs/openbao.md', `openbao:${name}`);
  beforeAll(async () => {
    const { bao } = rig();
    await bao.writeRole(ROLE);
    await bao.api('POST', `sys/policies/acl/${ROLE}`, { policy: block('policy') });
  });
  return {
    block,
    asAdministrator: (script) => asAdministrator(rig().bao, rig().directory, script),
    byDocumentation(name, { auth: more, settings: laid, ...given } = {}) {
      const { addr: _, auth, ...settings } = configuration.parse(parse(block(name))).openbao;
      return rig().daemon({ ...auth, ...more }, { role: ROLE, settings: { ...settings, ...laid }, ...given });
    },
    async logsIn(warden) {
      const result = await rig().login(warden);
      expect(result, `${result.stderr}${warden.log()}`).toMatchObject({ code: 0 });
    },
    async refusal(warden) {
      expect(await rig().login(warden)).toMatchObject({ code: 255 });
      const [newest] = await fetchRefusals([warden.controlSocket], undefined);
      return newest;
    },
    read: (name) => readFileSync(rig().directory.join(name), 'utf8').trim(),
  };
}
