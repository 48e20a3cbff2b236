import { configDefaults, defineConfig } from 'vitest/config'

const allTests = [
  'benchmarks/src/**/*.test.ts',
  'packages/*/{src,test}/**/*.test.ts',
  'examples/*/test/**/*.test.ts',
  'tests/*/{src,test}/**/*.test.ts',
]
// What needs Redis. Only for these is one started.
const redisTests = [
  'packages/bullmq-manager/{src,test}/**/*.test.ts',
  'packages/opentelemetry/test/bullmq-manager.test.ts',
  'packages/redis-lock/{src,test}/**/*.test.ts',
  'packages/dashboard/test/on-bullmq-manager.test.ts',
  'examples/{bullmq,cluster-with-lock,dashboard,dedicated-host,nestjs,swap}/test/**/*.test.ts',
  'tests/readme/src/code-blocks-on-redis.test.ts',
  'tests/test-redis/src/**/*.test.ts',
  'tests/torture/test/**/*.test.ts',
]

// What needs a browser, and Redis too. Only for these is one found or installed.
const browserTests = ['tests/dashboard-browser/test/**/*.test.ts']

// What takes minutes or measures speed: `npm run test:soak`.
const soakTests = ['{packages,tests}/*/{src,test}/**/*.soak.test.ts']
// Those of them that measure, or need the whole machine.
const soakAloneTests = [
  'packages/bullmq-manager/test/workers-at-scale.soak.test.ts',
  'packages/dashboard/test/page-time.soak.test.ts',
  'tests/torture/test/broken-builds.soak.test.ts',
]
const usualExcludes = [...configDefaults.exclude, ...soakTests]

export default defineConfig({
  test: {
    setupFiles: ['./tests/leak-check/src/setup.ts'],
    // Only a hang takes so long, however slow the machine.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: allTests, exclude: [...usualExcludes, ...redisTests, ...browserTests] },
      },
      {
        extends: true,
        test: {
          name: 'redis',
          include: redisTests,
          exclude: usualExcludes,
          globalSetup: ['./tests/test-redis/src/global-setup.ts'],
          testTimeout: 240_000,
          expect: { poll: { timeout: 60_000 } },
          // They wait more than they work.
          maxWorkers: 4,
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: browserTests,
          globalSetup: ['./tests/test-redis/src/global-setup.ts', './tests/dashboard-browser/src/global-setup.ts'],
          testTimeout: 240_000,
          expect: { poll: { timeout: 60_000 } },
          // A browser each.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'soak',
          include: soakTests,
          exclude: [...configDefaults.exclude, ...soakAloneTests],
          globalSetup: ['./tests/test-redis/src/global-setup.ts'],
          // Most of them wait more than they work.
          maxWorkers: 4,
        },
      },
      {
        extends: true,
        test: {
          name: 'soak-alone',
          include: soakAloneTests,
          globalSetup: ['./tests/test-redis/src/global-setup.ts'],
          fileParallelism: false,
          // When all others are done.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
