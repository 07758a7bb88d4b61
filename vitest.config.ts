import { configDefaults, defineConfig } from 'vitest/config';
import { SummaryReporter } from './test/support/summary-reporter.ts';

// Two tiers: `*.long.test.ts` runs only with `scripts/test --long`, everything else only without it.
const long = process.env['WARDEN_TEST_TIER'] === 'long';

export default defineConfig({
  test: {
    include: [long ? 'test/**/*.long.test.ts' : 'test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(long ? [] : ['test/**/*.long.test.ts'])],
    setupFiles: ['test/support/property-seed.ts'],
    reporters: ['default', new SummaryReporter()],
    pool: 'forks',
    maxWorkers: 2,
    // What the tests' identity provider says to whoever would run it for real.
    onConsoleLog: (text) => !/oidc-provider (?:WARNING|NOTICE)/.test(text),
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 60_000,
  },
});
