import { configDefaults, defineConfig } from 'vitest/config'

const allTests = [
  'packages/*/{src,test}/**/*.test.ts',
  'examples/*/test/**/*.test.ts',
  'tests/*/{src,test}/**/*.test.ts',
]
// What needs Redis. Only for these is one started.
const redisTests = [
  'packages/bullmq-manager/{src,test}/**/*.test.ts',
  'examples/{bullmq,swap}/test/**/*.test.ts',
  'tests/test-redis/src/**/*.test.ts',
]

export default defineConfig({
  test: {
    setupFiles: ['./tests/leak-check/src/setup.ts'],
    testTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: allTests, exclude: [...configDefaults.exclude, ...redisTests] },
      },
      {
        extends: true,
        test: { name: 'redis', include: redisTests, globalSetup: ['./tests/test-redis/src/global-setup.ts'] },
      },
    ],
  },
})
