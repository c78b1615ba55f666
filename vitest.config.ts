import { defineConfig } from 'vitest/config'

const conditions = ['@trireme/source', 'node', 'import', 'module', 'default']
const sources = { resolve: { conditions }, ssr: { resolve: { conditions } } }

export default defineConfig({
  test: {
    projects: [
      {
        ...sources,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'examples/*/src/**/*.test.ts', 'scripts/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        ...sources,
        test: {
          name: 'kernel',
          include: ['kernel-tests/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'kernel-tests/docker/**'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        ...sources,
        // Each file starts engines of its own, in network namespaces.
        test: {
          name: 'docker',
          include: ['kernel-tests/docker/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
})
