import { GodwitError } from '../common/errors.ts';
import { DECODED_PAGE_BYTES } from '../hart/decoded-slots.ts';
import { type JoinedMemory, MEMORY_LIMIT_BYTES } from '../memory/arena.ts';
import type { CoreOptions } from './core-options.ts';
import { Engine, type EngineOptions, TRANSLATION_DEFAULTS } from './engine.ts';

const DECODED_PAGES = 768;
/** Harts, maps and tables beside guest RAM and decoded pages. */
const OVERHEAD_BYTES = 16 * 1024 ** 2;
const DECODED_BYTES = (DECODED_PAGES + 1) * DECODED_PAGE_BYTES;

/** The engine of a machine with memory of its own. */
export function makeEngine(options: CoreOptions): Promise<Engine> {
  checkMemory(options.memoryBytes);
  const needed = options.memoryBytes + OVERHEAD_BYTES + DECODED_BYTES;
  const bytes = Math.min(MEMORY_LIMIT_BYTES, Math.max(needed, options.reservedBytes ?? 0));
  return createEngine({ bytes, shared: options.shared ?? false }, options);
}

/** An engine for forks of a machine in another thread. */
export function joinEngine(
  memory: JoinedMemory,
  options: Pick<CoreOptions, 'floatFastPaths' | 'translation' | 'compiler' | 'cache' | 'collectGarbage'>,
): Promise<Engine> {
  return createEngine(memory, options);
}

function createEngine(memory: EngineOptions['memory'], options: Parameters<typeof joinEngine>[1]): Promise<Engine> {
  return Engine.create({
    memory,
    floatFastPaths: options.floatFastPaths ?? true,
    decodedPageLimit: DECODED_PAGES,
    translation: { ...TRANSLATION_DEFAULTS, ...options.translation },
    ...(options.compiler && { compiler: options.compiler }),
    ...(options.cache && { cache: options.cache }),
    ...(options.collectGarbage && { collectGarbage: options.collectGarbage }),
  });
}

function checkMemory(bytes: number): void {
  const mebibyte = 1024 ** 2;
  if (!Number.isSafeInteger(bytes) || bytes < mebibyte || bytes % mebibyte !== 0) {
    throw new GodwitError('usage', `a machine's memory is a whole number of MiB, not ${bytes} bytes`);
  }
  if (bytes > 3 * 1024 ** 3) {
    throw new GodwitError('limit', `${bytes / mebibyte} MiB of memory are more than the 3072 MiB a machine can have`, {
      hint: 'WebAssembly addresses 4 GiB, which guest memory and translated code share',
    });
  }
}
