/** `godwit guest`: fetches and builds what `godwit run` boots by itself. */
import { ensureDebianDisk, ensureGuest, renderProgress } from '../guest/index.ts';
import { guestWork } from './guest-work.ts';
import { writeAll } from './output.ts';
import { runToEnd } from './run-to-end.ts';

export interface GuestCommandOptions {
  readonly debian?: boolean;
  readonly refresh?: boolean;
}

export async function guest({ debian, refresh }: GuestCommandOptions): Promise<void> {
  // Asked for by name, so every byte is looked at.
  const options = { check: 'full', ...(refresh && { update: true }) } as const;
  if (debian) {
    const disk = await guestWork((given) => ensureDebianDisk({ ...options, ...given, runMachine: runToEnd }));
    await print({ kernel: disk.guest.kernelPath, initramfs: disk.guest.initramfsPath, 'Debian disk': disk.diskPath });
    return;
  }
  const images = await ensureGuest({ ...options, progress: renderProgress(process.stderr) });
  await print({ version: images.kernelVersion, kernel: images.kernelPath, initramfs: images.initramfsPath });
}

async function print(facts: Record<string, string>): Promise<void> {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  for (const [name, value] of Object.entries(facts))
    await writeAll(process.stdout, `${name.padEnd(width)}  ${value}\n`);
}
