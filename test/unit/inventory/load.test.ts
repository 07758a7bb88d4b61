import { describe, expect, it } from 'vitest';
import { workspace } from '../config/workspace.ts';

describe('inventory.yaml', () => {
  it('gives caps and files by type', () => {
    const home = workspace();
    home.inventory(`actors:
  adm-a: { type: adm, principals: [p, p] }
  adm-b: { type: adm, principals: [p], files: allow }
  agt-a: { type: agt, principals: [p], ttl_hours: 24 }
  atm-a: { type: atm, principals: [p], ttl_hours: 1, description: nightly, files: deny }
`);
    const actors = home.load().actors;
    expect([...actors.values()]).toEqual([
      { name: 'adm-a', type: 'adm', principals: ['p'], ttlSeconds: 172_800, description: '', files: false },
      { name: 'adm-b', type: 'adm', principals: ['p'], ttlSeconds: 172_800, description: '', files: true },
      { name: 'agt-a', type: 'agt', principals: ['p'], ttlSeconds: 86_400, description: '', files: true },
      {
        name: 'atm-a',
        type: 'atm',
        principals: ['p'],
        ttlSeconds: 3600,
        description: 'nightly',
        files: false,
      },
    ]);
  });

  it.each([
    [
      'prefix',
      'actors:\n  adm-x:\n    type: agt\n    principals: [p]\n',
      'inventory.yaml:2: actors.adm-x: the name must start with its type: agt-',
    ],
    [
      'adm cap',
      'actors:\n  adm-x:\n    type: adm\n    principals: [p]\n    ttl_hours: 49\n',
      'inventory.yaml:5: actors.adm-x.ttl_hours: 49 h is above the cap of 48 h for adm',
    ],
    [
      'agt cap',
      'actors:\n  agt-x: { type: agt, principals: [p], ttl_hours: 25 }\n',
      'inventory.yaml:2: actors.agt-x.ttl_hours: 25 h is above the cap of 24 h for agt',
    ],
    [
      'atm cap',
      'actors:\n  atm-x: { type: atm, principals: [p], ttl_hours: 9 }\n',
      'inventory.yaml:2: actors.atm-x.ttl_hours: 9 h is above the cap of 8 h for atm',
    ],
    [
      'zero',
      'actors:\n  atm-x: { type: atm, principals: [p], ttl_hours: 0 }\n',
      'inventory.yaml:2: actors.atm-x.ttl_hours: must be above 0',
    ],
    [
      'half an hour',
      'actors:\n  atm-x: { type: atm, principals: [p], ttl_hours: 0.5 }\n',
      'inventory.yaml:2: actors.atm-x.ttl_hours: must be a whole number',
    ],
    [
      'no principals',
      'actors:\n  atm-x:\n    type: atm\n    principals: []\n',
      'inventory.yaml:4: actors.atm-x.principals: must not be empty',
    ],
    [
      'principals missing',
      'actors:\n  atm-x:\n    type: atm\n',
      'inventory.yaml:2: actors.atm-x.principals: is missing',
    ],
    [
      'a comma in a principal',
      'actors:\n  atm-x:\n    type: atm\n    principals: ["a,root"]\n',
      'inventory.yaml:4: actors.atm-x.principals[0]: must be letters',
    ],
    [
      'a name',
      'actors:\n  "atm-x y": { type: atm, principals: [p] }\n',
      'inventory.yaml:2: actors.atm-x y: a name of an actor is letters',
    ],
    [
      'a type',
      'actors:\n  rob-x: { type: rob, principals: [p] }\n',
      'inventory.yaml:2: actors.rob-x.type: must be one of: adm, agt, atm',
    ],
    [
      'an unknown key',
      'actors:\n  atm-x: { type: atm, principals: [p], ttl: 1 }\n',
      'inventory.yaml:2: actors.atm-x.ttl: unknown key',
    ],
    ['no mapping', 'actors: [a]\n', 'inventory.yaml:1: actors: must be a mapping'],
  ])('refuses: %s', (_name, text, line) => {
    const home = workspace();
    home.inventory(text);
    expect(home.lines()).toHaveLength(1);
    expect(home.lines()[0]).toContain(line);
    expect(home.error().exit).toBe(78);
  });

  it('is refused when it can’t be read', () => {
    const home = workspace();
    home.write('.config/warden/inventory.yaml/file', '');
    expect(home.lines()).toEqual(['inventory.yaml: is not a file']);
  });
});
