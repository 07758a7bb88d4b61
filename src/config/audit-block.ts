/** The `audit:` block: sizes become bytes. */
import type { AuditConfig } from './config.ts';
import { DEFAULTS, type WardenYaml } from './schema.ts';
import { parseSize } from './size.ts';

/** The block as the trail's writer takes it. */
export function resolveAudit(block: WardenYaml['audit'] = {}): AuditConfig {
  return {
    anchorCommand: block.anchor_command ?? [],
    segmentSize: parseSize(block.segment_size ?? DEFAULTS.segment_size) ?? 0,
    compress: block.compress !== 'none',
    keepDays: block.keep_days,
    keepSize: block.keep_size === undefined ? undefined : parseSize(block.keep_size),
  };
}
