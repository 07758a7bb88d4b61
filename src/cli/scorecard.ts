/** `warden scorecard`: is the house in order? */
import { join } from 'node:path';
import type { Command } from 'commander';
import { listIssuances } from '../activity/issuances.ts';
import { exitOf, renderChecks } from '../checks/check.ts';
import { scorecard, UNUSED_DAYS } from '../checks/scorecard.ts';
import { ACTOR_TYPES } from '../inventory/actor.ts';
import { certificatesOnFile } from '../issuance/on-file.ts';
import { seeRoles } from '../openbao/roles-of.ts';
import { firstRecord } from '../trail/lines.ts';
import { listSegments } from '../trail/segments.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';

const DAY_MS = 86_400_000;

export function scorecardCommand(command: Command): void {
  command
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Exit status: 0 all good, 1 something is wrong, 2 something could not be looked at. Changes nothing.

Example:
  $ warden scorecard --json`,
    )
    .action(
      action(async (flags: CommonFlags & { json?: boolean }) => {
        const { actors, stateDir, openbao } = configOf(flags);
        const now = Date.now();
        const audit = join(stateDir, 'audit');
        const { issuances } = await listIssuances(audit, { days: UNUSED_DAYS, now });
        const first = (await firstRecord(audit, listSegments(audit)[0]))?.ts;
        const named = ACTOR_TYPES.flatMap((type) => {
          const name = openbao.roleMap[type];
          return name === undefined ? [] : [{ type, name }];
        });
        const seen = await seeRoles(openbao, process.env, new Set(named.map(({ name }) => name)));
        const checks = scorecard({
          actors: [...actors.values()],
          onFile: certificatesOnFile(stateDir, now),
          issuances,
          trailIsOld: first !== undefined && Date.parse(first) < now - UNUSED_DAYS * DAY_MS,
          roles: new Map(
            named.map(({ type, name }) => [type, { name, fields: seen.roles.get(name) ?? 'not asked' }]),
          ),
          tokenTtlSeconds: seen.token?.ttlSeconds,
        });
        if (flags.json === true) printJson(checks);
        else print(renderChecks(checks));
        process.exitCode = exitOf(checks);
      }),
    );
}
