/** The address of a service that warden is a client of: what may stand in the file. */
import { isLoopback } from './openbao-block.ts';

/**
 * What is wrong with `text` as a base URL, or undefined. Plain http is for loopback, or where `insecure` allows it; `risk` says what it
 * would cost, `block` is where `insecure_http` stands.
 */
export function wrongUrl(
  text: string,
  insecure: boolean,
  risk: string,
  block: string,
): { readonly message: string; readonly hint: string } | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return { message: 'is not an address', hint: 'write https://host:port' };
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return { message: 'has more than an address', hint: 'write https://host:port/path' };
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !insecure)
    return {
      message: `with plain http to ${url.hostname}, ${risk}`,
      hint: `use https, or ${block}.insecure_http: true`,
    };
  return undefined;
}
