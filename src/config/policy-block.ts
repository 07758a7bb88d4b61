/** The `policy:` block: which decision point is asked, and how. ops-warden's keys are the same. */
import type { PolicyConfig } from './config.ts';
import { readPem } from './openbao-tls.ts';
import { DEFAULTS, type WardenYaml } from './schema.ts';
import { wrongUrl } from './service-url.ts';
import type { Sources } from './sources.ts';

/** Resolves the block; undefined where the file has none. Problems and warnings are left in `sources`. */
export function resolvePolicy(sources: Sources, yaml: WardenYaml['policy']): PolicyConfig | undefined {
  if (yaml === undefined) return undefined;
  const key = yaml.flex_auth_url === undefined ? 'url' : 'flex_auth_url';
  const url = sources.first('policy.url', [sources.inFile(['policy', key], yaml[key])], DEFAULTS.policy_url);
  const enabled = yaml.enabled ?? false;
  const failClosed = yaml.fail_closed ?? true;
  if (enabled && !failClosed) {
    sources.warnings.push('policy.fail_closed: false: whoever stops the gate gets certificates without it');
  }
  const wrong = wrongUrl(url, yaml.insecure_http ?? false, 'whoever is between decides', 'policy');
  if (wrong !== undefined) sources.report('policy.url', ['policy', key], wrong.message, wrong.hint);
  const caFile = sources.optional('policy.ca_cert', [
    sources.inFile(
      ['policy', 'ca_cert'],
      yaml.ca_cert === undefined ? undefined : sources.path(yaml.ca_cert),
    ),
  ]);
  const subject = sources.env[yaml.subject_env ?? DEFAULTS.subject_env];
  return {
    enabled,
    engine: yaml.engine ?? DEFAULTS.policy_engine,
    url: url.replace(/\/+$/, ''),
    path: yaml.path ?? DEFAULTS.policy_path,
    ca: caFile === undefined ? undefined : readPem(sources, 'policy.ca_cert', ['policy', 'ca_cert'], caFile),
    allowWithout: yaml.no_policy ?? false,
    failClosed,
    tenant: yaml.tenant ?? DEFAULTS.tenant,
    system: yaml.system ?? DEFAULTS.system,
    subject: subject === '' ? undefined : subject,
  };
}
