/**
 * What the files may say by the specification, and warden does not do: refused, because a promise that is silently not
 * kept is worse than an error. One entry goes when its feature comes.
 */
import type { Problem } from './problems.ts';
import type { Path, YamlFile } from './yaml-file.ts';

interface NotBuilt {
  readonly path: Path;
  /** Whether the value at `path` asks for what is not built. */
  readonly asks: (value: unknown) => boolean;
  readonly what: string;
  readonly hint: string;
}

/** In warden.yaml. */
export const NOT_BUILT_IN_CONFIG: readonly NotBuilt[] = [
  ...['openbao', 'vault'].map((block) => ({
    path: [block, 'auth', 'method'],
    asks: (value: unknown) => value === 'oidc',
    what: 'this way to log in is not built yet',
    hint: 'log in with bao login, and use method: token',
  })),
];

/** What the part of `file` at `at` asks for that is not built. `data` is that part, unchecked. */
export function findNotBuilt(file: YamlFile, list: readonly NotBuilt[], at: Path, data: unknown): Problem[] {
  return list
    .filter(({ path, asks }) => asks(valueAt(data, path)))
    .map(({ path, what, hint }) => file.problem([...at, ...path], what, hint));
}

function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.entries(value).find(([key]) => key === step)?.[1];
  }
  return value;
}
