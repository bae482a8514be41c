import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import type { RegionCompiler } from '../../src/execute/jit/compiler.ts';
import { ALL_OPTIMIZATIONS } from '../../src/execute/jit/options.ts';
import type { MachineCore } from '../../src/machine/core.ts';
import { platform } from '../../src/platform/platform.ts';
import type { Port } from '../../src/platform/threads.ts';
import { type CompilerConnection, compileService } from '../../src/service/compile/compile-service.ts';
import { ThreadCompiler } from '../../src/service/compile/thread-compiler.ts';
import { programMachine } from './program.ts';

const PROGRAM = `
          addi s0,zero,0
outer:    addi s1,zero,90
inner:    jal ra,work
          addi s1,s1,-1
          bne s1,zero,inner
          addi s0,s0,1
          jal zero,outer
work:     add a0,a0,s1
          mul a1,a1,a0
          xor a1,a1,s0
          jalr zero,0(ra)
`;
const LAST_BRANCHES = 3_000_000n;

const connections: CompilerConnection[] = [];
afterEach(() => {
  for (const connection of connections.splice(0)) connection.release();
});

function connect(): Port {
  const connection = compileService.connect();
  connections.push(connection);
  return platform().threads.port(connection.port);
}

function machine(compiler?: RegionCompiler): Promise<MachineCore> {
  return programMachine(PROGRAM, {
    cache: new TranslationCache(),
    translation: { enabled: compiler !== undefined, threshold: 50 },
    ...(compiler && { compiler }),
  });
}

/**
 * Runs it as the live runner does, with a round of the event loop between slices; longer while `until` does not hold.
 */
async function run(core: MachineCore, until: () => boolean = () => true): Promise<bigint> {
  while (core.current.branches < LAST_BRANCHES) {
    core.run(core.current.branches + 20_000n);
    if (core.current.branches < LAST_BRANCHES) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let patience = 2000; !until() && patience > 0; patience--) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    core.engine.translate();
  }
  return core.digest();
}

describe('the compiling thread', () => {
  it('translates for a machine without changing what it does', async () => {
    const reference = await run(await machine());
    const core = await machine(new ThreadCompiler(connect()));
    const { translator } = core.engine;
    const digest = await run(core, () => translator.stats.translated > 0);
    expect(digest).toBe(reference);
    expect(translator.stats.compiled).toBeGreaterThan(0);
    expect(translator.stats.compileMs).toBeGreaterThan(0);
  });

  it('gives a second machine what the first had compiled', async () => {
    const first = await machine(new ThreadCompiler(connect()));
    const reference = await run(first, () => first.engine.translator.stats.translated > 0);
    const compiler = new ThreadCompiler(connect());
    // What is there already comes in its own time.
    let known = [...compiler.take()];
    for (let patience = 2000; known.length === 0 && patience > 0; patience--) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      known = [...compiler.take()];
    }
    const second = await machine({
      submit: (batch) => compiler.submit(batch),
      take: () => [...known.splice(0), ...compiler.take()],
    });
    const { translator } = second.engine;
    expect(await run(second, () => translator.stats.cached > 0)).toBe(reference);
    expect(translator.stats).toMatchObject({ compiled: 0, bytes: 0 });
    expect(translator.stats.cached).toBeGreaterThan(0);
  });

  it('is not missed when it ends under way', async () => {
    const reference = await run(await machine());
    const core = await machine(new ThreadCompiler(connect()));
    connections.at(-1)!.release();
    const { translator } = core.engine;
    expect(await run(core, () => translator.stats.translated > 0)).toBe(reference);
    expect(translator.stats.translated).toBeGreaterThan(0);
  });

  it('is not missed when it was never there', async () => {
    const { threads } = platform();
    const [here, there] = threads.channel();
    threads.port(there).close();
    const core = await machine(new ThreadCompiler(threads.port(here)));
    const { translator } = core.engine;
    await run(core, () => translator.stats.translated > 0);
    expect(translator.stats.translated).toBeGreaterThan(0);
  });

  it('leaves to the machine what it cannot compile', async () => {
    const compiler = new ThreadCompiler(connect());
    const plans = [Int32Array.of(0, 1, 0, 1, 3, 0, 0)]; // one block with an instruction that is none
    compiler.submit({ id: 1, plans, options: { shared: false, optimizations: ALL_OPTIMIZATIONS } });
    const failing = async () => {
      for (let patience = 2000; patience > 0; patience--) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        compiler.take();
      }
    };
    await expect(failing()).rejects.toThrow('no instruction');
  });

  it('keeps no process alive', async () => {
    const url = new URL('../../dist/', import.meta.url);
    const load = (path: string) => `await import(${JSON.stringify(new URL(path, url).href)})`;
    const program = `
      ${load('platform/node/install.js')};
      const { platform } = ${load('platform/platform.js')};
      const { compileService } = ${load('service/compile/compile-service.js')};
      const { ThreadCompiler } = ${load('service/compile/thread-compiler.js')};
      const compiler = new ThreadCompiler(platform().threads.port(compileService.connect().port));
      compiler.take();
      console.log('done');
    `;
    const options = { cwd: fileURLToPath(new URL('.', url)) };
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], options);
    expect(stdout).toBe('done\n');
  });
});
