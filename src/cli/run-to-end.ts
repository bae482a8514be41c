import type { MachineRequest } from '../guest/index.ts';
import { Machine } from '../service/machine/machine.ts';

/**
 * Runs a machine without a terminal until it powers off, for work that the guest does for us. Gives its exit status.
 */
export async function runToEnd(request: MachineRequest): Promise<number> {
  const machine = await Machine.create({
    kernel: request.kernelPath,
    initrd: request.initramfsPath,
    append: request.append,
    memory: request.memoryBytes,
    disks: [request.disk],
    jitThreshold: request.jitThreshold,
    // A panic ends the work, and does not begin it again.
    noReboot: true,
  });
  const stop = (): void => void machine.stop();
  request.signal?.addEventListener('abort', stop);
  try {
    await machine.start();
    const decoder = new TextDecoder();
    for await (const bytes of machine.console) request.onConsole(decoder.decode(bytes, { stream: true }));
    const { exitCode } = await machine.finished;
    return exitCode;
  } finally {
    request.signal?.removeEventListener('abort', stop);
    await machine.stop();
  }
}
