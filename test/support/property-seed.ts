/**
 * The seed of the property tests: the same in each run, so that a run that fails fails again, and a change is judged by its own doing.
 * `scripts/test --long` draws a new one and fast-check prints it with a failure; WARDEN_PROPERTY_SEED sets one.
 */
import fc from 'fast-check';

const given = process.env['WARDEN_PROPERTY_SEED'];
if (given !== undefined) fc.configureGlobal({ seed: Number(given) });
else if (process.env['WARDEN_TEST_TIER'] !== 'long') fc.configureGlobal({ seed: 20_261_126 });
