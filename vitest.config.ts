import { configDefaults, defineConfig } from 'vitest/config'

const allTests = [
  'packages/*/{src,test}/**/*.test.ts',
  'examples/*/test/**/*.test.ts',
  'tests/*/{src,test}/**/*.test.ts',
]
// What needs Redis. Only for these is one started.
const redisTests = [
  'packages/bullmq-manager/{src,test}/**/*.test.ts',
  'examples/{bullmq,dedicated-host,nestjs,swap}/test/**/*.test.ts',
  'tests/test-redis/src/**/*.test.ts',
]

// What takes minutes or measures speed: `npm run test:soak`.
const soakTests = ['packages/*/{src,test}/**/*.soak.test.ts']
const usualExcludes = [...configDefaults.exclude, ...soakTests]

export default defineConfig({
  test: {
    setupFiles: ['./tests/leak-check/src/setup.ts'],
    testTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: allTests, exclude: [...usualExcludes, ...redisTests] },
      },
      {
        extends: true,
        test: {
          name: 'redis',
          include: redisTests,
          exclude: usualExcludes,
          globalSetup: ['./tests/test-redis/src/global-setup.ts'],
          // They wait more than they work.
          maxWorkers: 4,
        },
      },
      {
        extends: true,
        test: {
          name: 'soak',
          include: soakTests,
          globalSetup: ['./tests/test-redis/src/global-setup.ts'],
          // One after the other: some measure.
          fileParallelism: false,
        },
      },
    ],
  },
})
