/** A private CA of TLS certificates for tests, made by openssl in a directory: `NAME.key` and `NAME.pem`. */
import { findProgram, mustRun } from './process.ts';
import type { TempDirectory } from './temp.ts';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** The reason of a skip, or undefined. */
export function opensslMissing(): string | undefined {
  return findProgram('openssl') === undefined ? 'no openssl on this machine' : undefined;
}

export async function makeCa(directory: TempDirectory, name: string): Promise<void> {
  const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
  await mustRun('openssl', ['req', '-x509', ...KEY, ...files, '-subj', `/CN=${name}`], {
    cwd: directory.path,
  });
}

/** `alternatives`: `DNS:bao.example.com,IP:127.0.0.1`; the certificate is for servers and clients. */
export async function makeCertificate(
  directory: TempDirectory,
  ca: string,
  name: string,
  alternatives: string,
): Promise<void> {
  const openssl = (...args: string[]) => mustRun('openssl', args, { cwd: directory.path });
  const extensions = `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n`;
  directory.write(`${name}.ext`, extensions);
  await openssl('req', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  const signed = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', `${name}.ext`];
  await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`);
}
