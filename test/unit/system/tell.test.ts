/** The lines that a person is told: one that can't steer a terminal, and an address that is whole or not there. */
import { expect, test } from 'vitest';
import { toldLines } from '../../../src/system/tell.ts';

test('the line is made harmless and cut; an address is neither: what is none is left out', () => {
  const address = `https://idp.test/auth?${'x'.repeat(2_000)}`;
  expect(toldLines('at:', address)).toBe(`warden: at:\n${address}\n`);
  expect(toldLines('at:', address, '\r\n')).toBe(`warden: at:\r\n${address}\r\n`);
  expect(toldLines(`\u001b[2J${'y'.repeat(500)}`, undefined)).toMatch(/^warden: \?\[2Jy+…\n$/);
  for (const bad of ['https://idp.test/\u001b[2J', 'https://idp.test/ x', 'https://idp.test/\nx', ''])
    expect(toldLines('at:', bad)).toBe('warden: at:\n');
});
