/**
 * How OpenBao's TLS certificate is checked, and what client certificate is shown: files of the `openbao:` block, with
 * OpenBao's own variables below. Left out: BAO_CAPATH (a directory of CAs), which is said as a warning.
 */
import { readFileSync } from 'node:fs';
import { errnoOf } from '../errors.ts';
import type { TlsConfig } from './config.ts';
import type { OpenBaoYaml } from './schema.ts';
import type { Source, Sources } from './sources.ts';
import type { Path } from './yaml-file.ts';

const MAX_PEM_BYTES = 1024 * 1024;

/** Reads the files named in the block or the environment. `block` is its name in the file. Problems are left in `sources`. */
export function resolveTls(sources: Sources, yaml: OpenBaoYaml, block: string): TlsConfig {
  const pem = (name: 'ca_cert' | 'client_cert' | 'client_key', variable: string): string | undefined => {
    const written = yaml[name];
    const inFile = sources.inFile([block, name], written === undefined ? undefined : sources.path(written));
    const path = sources.optional(`openbao.${name}`, [inFile, sources.baoPath(variable)]);
    return path === undefined ? undefined : readPem(sources, `openbao.${name}`, [block, name], path);
  };
  const clientCert = pem('client_cert', 'CLIENT_CERT');
  const clientKey = pem('client_key', 'CLIENT_KEY');
  checkPair(sources, block);
  const skipVerify = sources.first(
    'openbao.skip_verify',
    [sources.inFile([block, 'skip_verify'], yaml.skip_verify), skipVerifyVariable(sources, block)],
    false,
  );
  warn(sources, skipVerify);
  return {
    ca: caBytes(sources, yaml) ?? pem('ca_cert', 'CACERT'),
    clientCert,
    clientKey,
    serverName: sources.optional('openbao.tls_server_name', [
      sources.inFile([block, 'tls_server_name'], yaml.tls_server_name),
      sources.bao('TLS_SERVER_NAME'),
    ]),
    skipVerify,
  };
}

function checkPair(sources: Sources, block: string): void {
  const given = ['client_cert', 'client_key'].filter(
    (name) => sources.origin.get(`openbao.${name}`) !== 'default',
  );
  const [only] = given;
  if (only === undefined || given.length === 2) return;
  const other = only === 'client_cert' ? 'client_key' : 'client_cert';
  sources.report(`openbao.${only}`, [block, only], `needs ${other} beside it`, 'give both, or neither');
}

function warn(sources: Sources, skipVerify: boolean): void {
  if (skipVerify) {
    const origin = sources.origin.get('openbao.skip_verify');
    sources.warnings.push(`openbao.skip_verify (${origin}): the token goes to whoever answers`);
  }
  const caPath = sources.bao('CAPATH');
  if (caPath.value !== undefined) {
    sources.warnings.push(`${caPath.origin} is not read: name one PEM file in openbao.ca_cert`);
  }
}

/** BAO_CACERT_BYTES holds the PEM text itself, and wins over BAO_CACERT as in OpenBao's client. */
function caBytes(sources: Sources, yaml: OpenBaoYaml): string | undefined {
  const bytes = sources.bao('CACERT_BYTES');
  if (yaml.ca_cert !== undefined || bytes.value === undefined) return undefined;
  const text = sources.first('openbao.ca_cert', [bytes], '');
  if (!looksLikePem(text)) {
    sources.report('openbao.ca_cert', [], 'holds no PEM text', 'give it the text of the PEM file');
  }
  return text;
}

function looksLikePem(text: string): boolean {
  return text.includes('-----BEGIN ');
}

/** A PEM file's text. `key` is its dotted key. What is wrong with it is left in `sources`. */
export function readPem(sources: Sources, key: string, path: Path, file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (looksLikePem(text) && text.length <= MAX_PEM_BYTES) return text;
    sources.report(key, path, `${file} is not a PEM file`, 'name a file with -----BEGIN …');
  } catch (error) {
    sources.report(key, path, `${file} can't be read (${errnoOf(error)})`, 'correct the path');
  }
  return undefined;
}

/** Go's strconv.ParseBool, which OpenBao's client uses. */
function skipVerifyVariable(sources: Sources, block: string): Source<boolean> {
  const { origin, value } = sources.bao('SKIP_VERIFY');
  if (value === undefined) return { origin, value: undefined };
  if (/^(1|t|true)$/i.test(value)) return { origin, value: true };
  if (!/^(0|f|false)$/i.test(value)) {
    sources.origin.set('openbao.skip_verify', origin);
    sources.report(
      'openbao.skip_verify',
      [block, 'skip_verify'],
      'must be true or false',
      'write true or false',
    );
  }
  return { origin, value: false };
}
