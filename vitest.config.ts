import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Where everything is translated at its first visit a boot of Linux takes half a minute, most of it in V8's compiler.
const patience = process.env.GODWIT_TIER === 'translated' ? 10 : 1;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Each file in a process of its own: machines reserve gigabytes of address space, and a crash takes one file down.
    pool: 'forks',
    // Vitest leaves a core free by default, which on two cores means one file at a time. More than a few machines at once
    // would only wait for each other.
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    // Nothing here asserts a time. The limits only end what hangs, and are wide enough for a busy host with slow cores.
    testTimeout: 120_000 * patience,
    hookTimeout: 300_000 * patience,
    slowTestThreshold: 10_000,
    teardownTimeout: 20_000,
  },
});
