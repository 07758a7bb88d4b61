/** A package registry on loopback that has only what it is given: an installation then needs no network, and can take nothing else. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { mustRun } from './process.ts';

const packed = z.tuple([z.object({ filename: z.string() })]);
const manifest = z.looseObject({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});

export interface Registry {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** Makes a package of a directory, as it would be published, in `destination`; returns its path. Runs none of its scripts. */
export async function pack(directory: string, destination: string, home: string): Promise<string> {
  const args = ['pack', directory, '--ignore-scripts', '--json', '--pack-destination', destination];
  const output = await mustRun('npm', args, { env: { HOME: home }, deadline: 60_000 });
  return join(destination, packed.parse(JSON.parse(output))[0].filename);
}

/** The packages of this checkout's node_modules that `name` needs, itself included; optional ones where they are there. */
function needed(name: string): readonly z.infer<typeof manifest>[] {
  const file = resolve('node_modules', name, 'package.json');
  if (!existsSync(file)) return [];
  const found = manifest.parse(JSON.parse(readFileSync(file, 'utf8')));
  const others = Object.keys({ ...found.dependencies, ...found.optionalDependencies });
  return [found, ...others.flatMap(needed)];
}

/** Serves `names` and what they need, packed into `destination`. */
export async function startRegistry(
  names: readonly string[],
  destination: string,
  home: string,
): Promise<Registry> {
  const asked: string[] = [];
  const answers = new Map<string, Buffer | string>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    asked.push(path);
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(404).end('{"error":"not found"}');
    else response.end(answer);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port }: AddressInfo = z
    .object({ port: z.number(), address: z.string(), family: z.string() })
    .parse(server.address());
  const url = `http://127.0.0.1:${port}`;
  for (const each of names.flatMap(needed)) {
    const { name, version } = each;
    const file = readFileSync(await pack(resolve('node_modules', name), destination, home));
    const path = `/${name}/-/${version}.tgz`;
    const integrity = `sha512-${createHash('sha512').update(file).digest('base64')}`;
    const versions = { [version]: { ...each, dist: { tarball: `${url}${path}`, integrity } } };
    answers.set(`/${name}`, JSON.stringify({ name, 'dist-tags': { latest: version }, versions }));
    answers.set(path, file);
  }
  return {
    url,
    asked,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
}
