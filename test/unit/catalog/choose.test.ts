import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, parseAddress } from '../../../src/catalog/address.ts';
import { chooseLane, matchLane } from '../../../src/catalog/choose.ts';
import type { HostPattern, Lane } from '../../../src/catalog/lane.ts';
import { matchPattern, parsePattern, patternKey } from '../../../src/catalog/pattern.ts';
import type { ProvedName } from '../../../src/destination/destination.ts';

const KEY = 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU';

function pattern(text: string): HostPattern {
  const parsed = parsePattern(text);
  if ('wrong' in parsed) throw new Error(`${text}: ${parsed.wrong}`);
  return parsed;
}

function lane(id: string, hosts: readonly string[], hostKeys: readonly string[] = []): Lane {
  return {
    id,
    title: id,
    source: `lanes.yaml:${id}`,
    hosts: hosts.map(pattern),
    hostKeys,
    hostCa: [],
    actor: { name: 'adm-x', type: 'adm', principals: ['p'], ttlSeconds: 3600, description: '', files: false },
    logins: ['ops'],
    principals: ['p'],
    ttlSeconds: 120,
    role: 'r',
    extensions: undefined,
    criticalOptions: {},
    upstream: 'hide',
    forwarded: [],
    unbound: false,
    reuseMs: 0,
    gateAt: 'list',
    deadlineMs: 3000,
    waitForLoginMs: 0,
  };
}

function known(...names: string[]): ProvedName[] {
  return names.map((name) => ({ name, how: 'known_hosts', source: `known_hosts:${name}` }));
}

function chosen(lanes: readonly Lane[], names: readonly ProvedName[], words: readonly string[] = []): string {
  const choice = chooseLane({ lanes, names, fingerprint: KEY, words });
  return 'error' in choice ? choice.error : `${choice.lane.id} as ${choice.name.name}`;
}

describe('patterns', () => {
  it.each([
    ['web1', 'web1', true],
    ['WEB1', 'web1', true],
    ['web1', 'web10', false],
    ['web1', '[web1]:2222', false],
    ['[web1]:2222', '[web1]:2222', true],
    ['[web1]:2222', '[web1]:2223', false],
    ['[web1]:2222', 'web1', false],
    ['[web1]:22', 'web1', true],
    ['*', 'anything', true],
    ['*', '[anything]:2222', false],
    ['[*]:2222', '[anything]:2222', true],
    ['*.prod.example.com', 'a.prod.example.com', true],
    ['*.prod.example.com', 'prod.example.com', false],
    ['*.prod.example.com', 'a.prod.example.com.evil', false],
    ['web?', 'web12', false],
    ['10.20.0.0/16', '10.20.255.1', true],
    ['10.20.0.0/16', '10.21.0.1', false],
    ['10.20.0.0/16', '10.20.evil.example', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '::1', false],
    ['10.0.0.7/32', '10.0.0.7', true],
    ['[10.0.0.0/8]:2222', '[10.1.2.3]:2222', true],
    ['[10.0.0.0/8]:2222', '10.1.2.3', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['::/0', '::ffff:10.0.0.1', true],
    ['10.0.0.0/8', '::ffff:10.0.0.1', false],
    ['fe80::/10', 'fe80::1%eth0', false],
    ['::1', '::1', true],
    ['fe80::*', 'fe80::1', true],
  ])('%s and %s: %s', (text, name, matches) => {
    expect(matchPattern(pattern(text), name) !== undefined).toBe(matches);
  });

  it('agrees with node:net about which addresses lie in a network', () => {
    const v6 = fc.ipV6().filter((text) => !text.includes('.') && !/^[0:]*:f{4}:/i.test(text));
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(v6, v6, fc.nat(128)), fc.tuple(fc.ipV4(), fc.ipV4(), fc.nat(32))),
        ([network, other, prefix]) => {
          const family = network.includes(':') ? 'ipv6' : 'ipv4';
          const list = new BlockList();
          list.addSubnet(network, prefix, family);
          const base = parseAddress(network);
          for (const text of [network, other]) {
            const address = parseAddress(text);
            if (base === undefined || address === undefined)
              throw new Error(`not parsed: ${network} ${text}`);
            expect(contains(base, prefix, address)).toBe(list.check(text, family));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('never throws, and what it takes matches itself where it has no wildcards', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parsePattern(text);
        if ('wrong' in parsed || parsed.kind !== 'exact') return;
        expect(matchPattern(parsed, text)).toBeDefined();
        expect(patternKey(parsed)).toBe(patternKey(pattern(text.toUpperCase())));
      }),
    );
  });
});

describe('the lane of one name', () => {
  const lanes = [
    lane('all', ['*']),
    lane('glob', ['10.20.*']),
    lane('net', ['10.0.0.0/8']),
    lane('subnet', ['10.20.0.0/16']),
    lane('exact', ['10.20.0.7']),
  ];

  it.each([
    ['10.20.0.7', 'exact'],
    ['10.20.0.8', 'subnet'],
    ['10.21.0.8', 'net'],
    ['10.20.example', 'glob'],
    ['web', 'all'],
  ])('%s is %s', (name, id) => {
    expect(matchLane(lanes, name)).toMatchObject({ kind: 'lane', lane: { id } });
  });

  it('is ambiguous between globs of as many literals, unless a better one is there', () => {
    const tied = [lane('front', ['web*']), lane('back', ['*b.x']), lane('less', ['w*'])];
    expect(matchLane(tied, 'web.x')).toEqual({ kind: 'ambiguous', lanes: tied.slice(0, 2) });
    expect(matchLane([...tied, lane('best', ['web.*'])], 'web.x')).toMatchObject({
      kind: 'lane',
      lane: { id: 'best' },
    });
  });
});

describe('the lane of a destination', () => {
  const lanes = [lane('prod', ['*.prod']), lane('net', ['10.0.0.0/8']), lane('bastion', ['[jump]:2222'])];

  it.each<[string, string[], string[], string]>([
    ['one name', ['a.prod'], [], 'prod as a.prod'],
    ['a name without a lane beside', ['a', 'a.prod'], ['a'], 'prod as a.prod'],
    ['names that agree: the caller’s', ['a.prod', 'b.prod'], ['b.prod'], 'prod as b.prod'],
    ['names that differ: the words decide', ['a.prod', '10.0.0.7'], ['10.0.0.7'], 'net as 10.0.0.7'],
    ['the most likely word first', ['a.prod', '10.0.0.7'], ['a.prod', '10.0.0.7'], 'prod as a.prod'],
    ['words in capitals', ['a.prod', '10.0.0.7'], ['A.PROD'], 'prod as a.prod'],
    ['words that name neither', ['a.prod', '10.0.0.7'], ['a', 'b.prod'], 'ambiguous_host_key'],
    ['no words', ['a.prod', '10.0.0.7'], [], 'ambiguous_host_key'],
    ['a port', ['[jump]:2222', 'a.prod'], ['[jump]:2222'], 'bastion as [jump]:2222'],
    ['the word without its port', ['[jump]:2222', 'a.prod'], ['jump'], 'ambiguous_host_key'],
    ['no lane', ['web'], ['web'], 'no_lane'],
    ['words are no proof', [], ['a.prod'], 'no_lane'],
    ['words are no proof beside a name', ['web'], ['a.prod'], 'no_lane'],
  ])('%s', (_name, names, words, result) => {
    expect(chosen(lanes, known(...names), words)).toBe(result);
  });

  it('says names and lanes to the person', () => {
    const choice = chooseLane({ lanes, names: known('a.prod', '10.0.0.7'), fingerprint: KEY, words: [] });
    expect(choice).toEqual({
      error: 'ambiguous_host_key',
      message: 'the host key leads to different lanes: a.prod → prod; 10.0.0.7 → net',
      hint: 'ssh to one of these names, or put them into one lane',
    });
    const none = chooseLane({ lanes, names: known('web', 'web.lan'), fingerprint: KEY, words: [] });
    expect(none).toMatchObject({ error: 'no_lane', message: 'no lane covers web, web.lan' });
  });

  it('lets words not decide for a name that is itself ambiguous', () => {
    const tied = [lane('front', ['we*']), lane('back', ['*.x']), lane('other', ['db'])];
    expect(chosen(tied, known('web.x'), ['web.x'])).toBe('ambiguous_host_key');
    expect(chosen(tied, known('web.x', 'db'), ['db'])).toBe('other as db');
  });

  it('counts a name that a lane’s own CA proves for that lane only', () => {
    const both = [lane('dev', ['*']), lane('prod', ['db.prod'])];
    const byDev: ProvedName = { name: 'db.prod', how: 'host_certificate', source: 'dev', lane: 'dev' };
    expect(chosen(both, [byDev], ['db.prod'])).toBe('dev as db.prod');
    expect(chosen(both, [byDev, ...known('db.prod')], ['db.prod'])).toBe('prod as db.prod');
    expect(chosen(both, [{ ...byDev, source: 'gone', lane: 'gone' }], ['db.prod'])).toBe('no_lane');
    const byLine: ProvedName = { name: 'db.prod', how: 'host_certificate', source: 'known_hosts:3' };
    expect(chosen(both, [byLine], [])).toBe('prod as db.prod');
  });
});

describe('pinned host keys', () => {
  it('cover the key whatever it is called, and win over names', () => {
    const pinned = [lane('pin', [], [KEY]), lane('prod', ['*.prod'])];
    expect(chosen(pinned, known('a.prod'), ['a.prod'])).toBe('pin as a.prod');
    expect(chosen(pinned, [], ['whatever'])).toBe(`pin as ${KEY}`);
    expect(chosen([lane('other', [], ['SHA256:x']), ...pinned.slice(1)], [], [])).toBe('no_lane');
  });

  it('in two lanes need words that name one of them by its hosts', () => {
    const twice = [lane('one', ['a', 'w*'], [KEY]), lane('two', ['b', '*b'], [KEY]), lane('three', ['c'])];
    expect(chosen(twice, [], ['b'])).toBe(`two as ${KEY}`);
    expect(chosen(twice, known('x'), ['nothing', 'a'])).toBe('one as x');
    expect(chosen(twice, known('c'), ['c'])).toBe('ambiguous_host_key');
    expect(chosen(twice, [], [])).toBe('ambiguous_host_key');
    expect(chosen(twice, [], ['wb'])).toBe('ambiguous_host_key');
  });
});

describe('any order', () => {
  const host = fc.constantFrom('a', 'b', 'a.x', 'b.x', '10.0.0.1', '10.1.0.1', '[a]:2222');
  const hosts = fc.constantFrom(
    'a',
    'b',
    '*',
    'a*',
    '*x',
    '?.x',
    '10.0.0.0/8',
    '10.0.0.0/16',
    '[a]:2222',
    '[*]:2222',
  );
  const someLanes = fc
    .array(fc.record({ hosts: fc.array(hosts, { maxLength: 3 }), pin: fc.boolean() }), { maxLength: 5 })
    .map((list) => list.map((one, index) => lane(`l${index}`, one.hosts, one.pin ? [KEY] : [])));
  const scene = fc.record({
    lanes: someLanes,
    names: fc.uniqueArray(host, { maxLength: 4 }),
    words: fc.uniqueArray(host, { maxLength: 3 }),
  });

  it('of lanes gives the same answer', () => {
    fc.assert(
      fc.property(
        scene.chain((made) =>
          fc.record({
            made: fc.constant(made),
            shuffled: fc.shuffledSubarray(made.lanes, { minLength: made.lanes.length }),
          }),
        ),
        ({ made: { lanes, names, words }, shuffled }) => {
          const input = { names: known(...names), fingerprint: KEY, words };
          expect(chooseLane({ ...input, lanes: shuffled })).toEqual(chooseLane({ ...input, lanes }));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of names gives the same lane', () => {
    fc.assert(
      fc.property(scene, ({ lanes, names, words }) => {
        const laneOf = (list: readonly string[]): string =>
          chosen(lanes, known(...list), words).split(' ')[0] ?? '';
        expect(laneOf(names.toReversed())).toBe(laneOf(names));
      }),
      { numRuns: 500 },
    );
  });

  it('never chooses a lane that covers neither a proved name nor the key', () => {
    fc.assert(
      fc.property(scene, ({ lanes, names, words }) => {
        const choice = chooseLane({ lanes, names: known(...names), fingerprint: KEY, words });
        if ('error' in choice) return;
        const covers = names.some((name) =>
          choice.lane.hosts.some((one) => matchPattern(one, name) !== undefined),
        );
        expect(covers || choice.lane.hostKeys.includes(KEY)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
