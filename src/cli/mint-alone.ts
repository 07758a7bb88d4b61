/** A certificate for a file without a daemon: the same mint, and the trail's lock between all who write. */
import { join } from 'node:path';
import { openAccess } from '../credentials/access.ts';
import { mintForFile } from '../issuance/file-mint.ts';
import type { FileCertificate, FileRequest } from '../issuance/file-request.ts';
import { MintQueue } from '../issuance/mint-queue.ts';
import { issuanceParts } from '../issuance/parts.ts';
import { systemClock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { auditKey, signCheckpoint } from '../trail/audit-key.ts';
import { Trail } from '../trail/trail.ts';
import { upkeep } from '../trail/upkeep.ts';
import { configOf } from './configuration.ts';
import type { CommonFlags } from './context.ts';
import { callerHere, notWritten } from './note-refusal.ts';

const LEARN_DEADLINE_MS = 1_000;

/** Throws what the configuration throws, and `mintForFile`. */
export async function mintAlone(flags: CommonFlags, request: FileRequest): Promise<FileCertificate> {
  const config = configOf(flags);
  const { stateDir, openbao, policy } = config;
  ensurePrivateDirectory(stateDir);
  const access = openAccess(openbao, { environment: { env: process.env, taken: {} } });
  const audit = join(stateDir, 'audit');
  const key = () => auditKey(stateDir);
  /** A trail that can't be signed is written all the same. */
  const seal = (last: Parameters<typeof signCheckpoint>[0]) => {
    try {
      return signCheckpoint(last, key(), systemClock);
    } catch {
      return undefined;
    }
  };
  let begun = false;
  const trail = new Trail(audit, {
    clock: systemClock,
    segmentBytes: () => config.audit.segmentSize,
    seal,
    onSegment: () => {
      begun = true;
    },
  });
  const parts = issuanceParts(openbao, {
    clock: systemClock,
    stateDir,
    trail,
    queue: new MintQueue(),
    access,
    policy,
    onSkew: () => undefined,
  });
  try {
    // Whose token it is, for the trail. What stands in its way stands in the mint's, which says so.
    await parts.learn(LEARN_DEADLINE_MS).catch(() => undefined);
    return await mintForFile(parts.issuance, config, request, callerHere(flags), async (refusal) => {
      await trail.append(refusal).catch(notWritten);
    });
  } finally {
    // Where no agent runs nobody else would; what stands in its way must not stand in the certificate's.
    if (begun)
      await upkeep(audit, { ...config.audit, clock: systemClock, trail, key }).catch(() => undefined);
    await trail.close();
    parts.close();
    await access.close();
  }
}
