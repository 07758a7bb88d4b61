/** The configuration and the files that it stands in. */
import { ConfigError, problemLine } from '../../config/problems.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';

export function checkConfiguration(
  facts: Pick<Facts, 'config' | 'configFile' | 'files'>,
): readonly Finding[] {
  const { config, configFile } = facts;
  const known = new Set<string>();
  const files = facts.files.map(({ path, error }) => {
    known.add(path);
    return finding('problem', 'config.file', error.message, { from: path, todo: error.hint });
  });
  if (config instanceof ConfigError) {
    const problems = config.problems
      .filter(({ code, file }) => code !== 'config_permissions' || !known.has(file))
      .map((problem) =>
        finding(
          'problem',
          problem.code === 'socket_path' ? 'config.socket_path' : 'config.invalid',
          problemLine(problem),
          {
            from: problem.file,
            todo: problem.hint,
          },
        ),
      );
    return [...files, ...problems];
  }
  const { actor, lanes, agent, origin } = config;
  const from = (key: string) => origin.get(key) ?? '';
  const good = [
    config.file === undefined
      ? finding('note', 'config.defaults', `there is no ${configFile}: the defaults count`, {
          todo: 'warden init writes one',
        })
      : ok('config.good', 'the configuration can be used', config.file),
    ok('config.actor', actor === undefined ? 'nobody is `self`' : `you are ${actor.name}`, from('actor')),
    ok('config.socket', `the socket is ${agent.socket}`, from('agent.socket')),
  ];
  const served =
    lanes.length === 0
      ? finding('problem', 'config.no_lanes', 'there is no lane, so no host gets a certificate', {
          from: from('catalog_path'),
          todo: 'warden init writes one; or add one to the catalog',
        })
      : ok('config.lanes', `lanes: ${lanes.map(({ id }) => id).join(', ')}`, from('catalog_path'));
  return [...files, ...good, served];
}
