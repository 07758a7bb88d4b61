/**
 * How OpenBao's TLS certificate is checked, and what client certificate is shown: files of the `openbao:` block, with
 * OpenBao's own variables below.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import type { TlsConfig } from './config.ts';
import type { OpenBaoYaml } from './schema.ts';
import type { Source, Sources } from './sources.ts';
import type { Path } from './yaml-file.ts';

const MAX_PEM_BYTES = 1024 * 1024;
/** A system's directory of CAs has some hundred, each under several names. */
const MAX_CA_FILES = 2_000;
const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Reads the files named in the block or the environment. `block` is its name in the file. Problems are left in `sources`. */
export function resolveTls(sources: Sources, yaml: OpenBaoYaml, block: string): TlsConfig {
  const pem = (name: 'client_cert' | 'client_key', variable: string): string | undefined => {
    const places = [pathInFile(sources, yaml, block, name), sources.baoPath(variable)];
    const path = sources.optional(`openbao.${name}`, places);
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
  if (skipVerify) {
    const origin = sources.origin.get('openbao.skip_verify');
    sources.warnings.push(`openbao.skip_verify (${origin}): the token goes to whoever answers`);
  }
  return {
    ca: authorities(sources, yaml, block),
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

type PathKey = 'ca_cert' | 'ca_path' | 'client_cert' | 'client_key';

function pathInFile(sources: Sources, yaml: OpenBaoYaml, block: string, name: PathKey): Source<string> {
  const written = yaml[name];
  return sources.inFile([block, name], written === undefined ? undefined : sources.path(written));
}

/**
 * The CAs' PEM text: what the block names; else, in the order of OpenBao's client, the file BAO_CACERT, the text BAO_CACERT_BYTES, the
 * directory BAO_CAPATH (api/client.go, TLSConfig).
 */
function authorities(sources: Sources, yaml: OpenBaoYaml, block: string): string | undefined {
  const isWritten = yaml.ca_cert !== undefined || yaml.ca_path !== undefined;
  const unlessWritten = (source: Source<string>) => (isWritten ? [] : [source]);
  const file = sources.optional('openbao.ca_cert', [
    pathInFile(sources, yaml, block, 'ca_cert'),
    ...unlessWritten(sources.baoPath('CACERT')),
  ]);
  if (file !== undefined && yaml.ca_path === undefined)
    return readPem(sources, 'openbao.ca_cert', [block, 'ca_cert'], file);
  const bytes = sources.bao('CACERT_BYTES');
  if (!isWritten && bytes.value !== undefined) {
    const text = sources.first('openbao.ca_cert', [bytes], '');
    if (!looksLikePem(text))
      sources.report('openbao.ca_cert', [], 'holds no PEM text', 'give it the text of the PEM file');
    return text;
  }
  const directory = sources.optional('openbao.ca_path', [
    pathInFile(sources, yaml, block, 'ca_path'),
    ...unlessWritten(sources.baoPath('CAPATH')),
  ]);
  if (file !== undefined)
    sources.report('openbao.ca_path', [block, 'ca_path'], 'stands beside ca_cert', 'keep one of them');
  return directory === undefined ? undefined : readDirectory(sources, [block, 'ca_path'], directory);
}

/** The certificates of all files below a directory, each once; what is no PEM file is passed over, as OpenBao's client does [tried]. */
function readDirectory(sources: Sources, path: Path, directory: string): string | undefined {
  const report = (message: string) =>
    sources.report('openbao.ca_path', path, message, 'name a directory of PEM files, or one file in ca_cert');
  try {
    const files = filesBelow(directory);
    if (files.length > MAX_CA_FILES) report(`${directory} has more than ${MAX_CA_FILES} files`);
    else {
      const texts = files.map((file) => readFileSync(file, 'latin1'));
      const certificates = new Set(texts.flatMap((text) => text.match(CERTIFICATE) ?? []));
      if (certificates.size > 0) return [...certificates, ''].join('\n');
      report(`${directory} has no file with a certificate`);
    }
  } catch (error) {
    report(`${directory} can't be read (${errnoOf(error)})`);
  }
  return undefined;
}

/** Files and links to files of a size that a PEM file may have; no more than one too many. */
function filesBelow(directory: string): readonly string[] {
  const found: string[] = [];
  const waiting = [directory];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      const seen = statSync(path, { throwIfNoEntry: false });
      if (entry.isDirectory()) waiting.push(path);
      else if (seen?.isFile() === true && seen.size <= MAX_PEM_BYTES) found.push(path);
      if (found.length + waiting.length > MAX_CA_FILES) return [...found, ...waiting];
    }
  }
  return found;
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
