import { defineConfig } from 'vitest/config'

const conditions = ['@trireme/source', 'node', 'import', 'module', 'default']
const sources = { resolve: { conditions }, ssr: { resolve: { conditions } } }

/** Tests that load the machine or hold it to a figure: each has it to itself. */
const TIMED = [
  'kernel-tests/docker/first-packet.test.ts',
  'kernel-tests/docker/scale.test.ts',
  'kernel-tests/identity/rotation.test.ts',
  'kernel-tests/processes/short-lived.test.ts',
  'kernel-tests/revocation/**/*.test.ts',
  'kernel-tests/roads/flood.test.ts',
  'kernel-tests/roads/real-programs.test.ts',
  'kernel-tests/roads/refusals.test.ts',
  'kernel-tests/supervisor/dns.test.ts',
]
/** Root, network namespaces of the test's own, and time for both. */
const onTheKernel = { testTimeout: 120_000, hookTimeout: 120_000, pool: 'forks' } as const

export default defineConfig({
  test: {
    projects: [
      {
        ...sources,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'examples/*/src/**/*.test.ts', 'scripts/**/*.test.ts'],
          testTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        ...sources,
        test: {
          ...onTheKernel,
          name: 'kernel',
          include: ['kernel-tests/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'kernel-tests/docker/**', ...TIMED],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...sources,
        test: {
          ...onTheKernel,
          name: 'timed',
          include: TIMED,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        ...sources,
        // Each file starts engines of its own, in network namespaces.
        test: {
          ...onTheKernel,
          name: 'docker',
          include: ['kernel-tests/docker/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...TIMED],
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
