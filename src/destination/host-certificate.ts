/**
 * Which names a host certificate can prove: sshkey.c (sshkey_cert_check_authority, sshkey_cert_check_host) and
 * sshconnect.c (check_host_cert), stricter in two points: no principal list means any host to OpenSSH, and wildcard
 * principals match in newer versions; neither names a host, so neither proves one here.
 * Whether the CA may speak for these names is the caller's question (known_hosts, a lane's host_ca).
 */
import { type Certificate, verifyCertificate } from '../ssh/certificate.ts';
import { isLiteralName, lowerCase } from './host-name.ts';

/**
 * The certificate's literal principals, plain host names without a port; empty where it proves nothing.
 * Takes the time in seconds since the epoch.
 */
export function certifiedHosts(cert: Certificate, nowSeconds: number): readonly string[] {
  const now = BigInt(Math.floor(nowSeconds));
  if (cert.certType !== 'host' || now < cert.validAfter || now >= cert.validBefore) return [];
  // No critical option is defined for hosts, and an unknown one must be refused.
  if (cert.rawCriticalOptions.length > 0) return [];
  if (!verifyCertificate(cert)) return [];
  // ssh compares the name in lower case with the principal as it is: one with capitals matches no host.
  return cert.principals.filter((name) => isLiteralName(name) && name === lowerCase(name));
}
