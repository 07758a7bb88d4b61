/** When an entry was last reviewed, and whether that is too long ago. */

/** Days after which a review is stale: ops-warden's. */
export const STALE_DAYS = 90;
const DAY_MS = 86_400_000;

/** The day as milliseconds since the epoch, or undefined for what is no day of the calendar. */
export function dayOf(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text ? undefined : time;
}

/** Never reviewed is stale. `now` in milliseconds since the epoch. */
export function isStale(reviewed: string | null, now: number, days: number): boolean {
  const day = reviewed === null ? undefined : dayOf(reviewed);
  return day === undefined || now - day > days * DAY_MS;
}
