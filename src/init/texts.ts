/** The three files that `warden init` writes, from the answers: pure. What they may say besides is in docs/configuration.md. */
import { stringify } from 'yaml';
import { actorType, type SetUp } from './set-up.ts';

/** What goes into the block `openbao:`; undefined values are left out. */
export interface OpenBaoText {
  readonly addr: readonly string[];
  readonly mount: string;
  readonly namespace: string | undefined;
  /** Paths of PEM files, and the name in the certificate. */
  readonly tls: Readonly<Record<string, string>>;
}

/** Where inventory and catalog are, where they are not in their usual places. */
export interface PlacesText {
  readonly inventory: string;
  readonly catalog: string;
}

function file(comment: string, data: unknown): string {
  return `# ${comment}\n# Written by warden init; every key: docs/configuration.md. Check a change with: warden agent --check\n${stringify(data)}`;
}

export function wardenText(
  actor: string,
  { addr, mount, namespace, tls }: OpenBaoText,
  places: PlacesText | undefined,
): string {
  return file('Who you are, and who signs.', {
    actor,
    openbao: {
      addr: addr.length === 1 ? addr[0] : addr,
      mount,
      ...(namespace === undefined ? {} : { namespace }),
      ...tls,
    },
    ...(places === undefined ? {} : { inventory_path: places.inventory, catalog_path: places.catalog }),
  });
}

export function inventoryText({ actor, principals }: SetUp): string {
  const entry = { type: actorType(actor), principals, ttl_hours: 1 };
  return file('Who certificates are for, and what they may carry.', { actors: { [actor]: entry } });
}

/** `today`: YYYY-MM-DD. */
export function laneText({ lane, hosts, logins, role }: SetUp, today: string): string {
  return file('Where you log in with a certificate: a lane. It only narrows what the inventory grants.', {
    entries: [
      {
        id: lane,
        title: `SSH to ${hosts.join(', ')}`.slice(0, 200),
        need_keywords: ['ssh'],
        owner_repo: 'me',
        warden_executes: true,
        status: 'active',
        reviewed: today,
        // The principals are the actor's.
        ssh: { hosts, logins, role },
      },
    ],
  });
}
