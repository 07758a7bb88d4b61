import { WardenError } from '../../../src/errors.ts';

/** The code of the WardenError that `act` throws; `accepted`, or what else it threw, otherwise. */
export function codeOf(act: () => unknown): string {
  try {
    act();
    return 'accepted';
  } catch (thrown) {
    return thrown instanceof WardenError ? thrown.code : `not a WardenError: ${String(thrown)}`;
  }
}
