/** The options of `warden route find`, alone: what it does is loaded when it is asked for. */
import type { Options } from './options.ts';

export const FIND_OPTIONS = {
  config: { type: 'string', value: '<file>', about: 'the configuration: warden.yaml' },
  json: { type: 'boolean', about: 'for a program' },
  all: { type: 'boolean', about: 'drafts and retired entries too' },
} as const satisfies Options;
