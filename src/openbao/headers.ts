/** The fields that requests to OpenBao share (OpenBao's API documentation, "HTTP API": X-Vault-Request, X-Vault-Namespace, X-Vault-Token). */

/** Fields that prove who asks: a token's, a login's of its own (inline), none where a proxy in front adds them. Secret: never logged. */
export type Authorization = Readonly<Record<string, string>>;

export const NO_AUTHORIZATION: Authorization = {};

export function baseHeaders(namespace: string | undefined): Readonly<Record<string, string>> {
  return {
    'x-vault-request': 'true',
    ...(namespace === undefined || namespace === '' ? {} : { 'x-vault-namespace': namespace }),
  };
}

export function tokenAuthorization(token: string): Authorization {
  return { 'x-vault-token': token };
}

/**
 * What a node says of itself (OpenBao's API documentation, "/sys/health"), asked so that a standby, which serves, answers as the active node does.
 * Without a namespace: inside one it is refused.
 */
export const HEALTH_PATH = 'sys/health?standbyok=true&perfstandbyok=true';

/** A path of mounts and names, each segment encoded. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
