import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { patient } from './test/support/tiers.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/platform.ts'],
    // Each file in a process of its own: machines reserve gigabytes of address space, and a crash takes one file down.
    pool: 'forks',
    // Vitest leaves a core free by default, which on two cores means one file at a time. More than a few machines at once
    // would only wait for each other.
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    // Nothing here asserts a time. The limits only end what hangs, and are wide enough for a busy host with slow cores.
    testTimeout: patient(120_000),
    hookTimeout: patient(300_000),
    slowTestThreshold: 10_000,
    teardownTimeout: 20_000,
  },
});
