/** IPv4 and IPv6 addresses as numbers, for CIDR patterns. Left out: zones (`fe80::1%eth0`), and IPv4 inside IPv6 as IPv4. */
import { isIPv4, isIPv6 } from 'node:net';

export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** The address that `text` is, or undefined. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { bits: 32, value: join(text.split('.').map(Number), 8) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { bits: 128, value: join(groups(text), 16) };
}

/** Whether `address` lies in the network of `prefix` bits that `network` names. */
export function contains(network: Address, prefix: number, address: Address): boolean {
  if (network.bits !== address.bits) return false;
  const rest = BigInt(network.bits - prefix);
  return network.value >> rest === address.value >> rest;
}

/** Whether `network` has no bits set past `prefix`. */
export function isNetwork(network: Address, prefix: number): boolean {
  const rest = BigInt(network.bits - prefix);
  return (network.value >> rest) << rest === network.value;
}

function join(parts: readonly number[], width: number): bigint {
  return parts.reduce((value, part) => (value << BigInt(width)) | BigInt(part), 0n);
}

/** The eight groups of a valid IPv6 text (RFC 4291 section 2.2: `::`, and dotted decimal at the end). */
function groups(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const front = side(head);
  const back = side(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array.from({ length: zeros }, () => 0), ...back];
}

function side(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    const dotted = parseAddress(part);
    if (dotted?.bits !== 32) return [Number.parseInt(part, 16)];
    return [Number(dotted.value >> 16n), Number(dotted.value & 0xffffn)];
  });
}
