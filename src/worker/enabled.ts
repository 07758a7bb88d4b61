/** The kill switch: `WORKER_ENABLED=0`. */

/** Whether the worker may do anything by itself. */
export function isEnabled(env: NodeJS.ProcessEnv): boolean {
  return !/^(?:0|false|no|off)$/i.test((env['WORKER_ENABLED'] ?? '').trim());
}

/** What is said where it may not. */
export const DISABLED = 'the worker is switched off (WORKER_ENABLED); nothing was done';
