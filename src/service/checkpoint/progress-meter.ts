import type { CheckpointProgress } from '../../api/checkpoint.ts';
import { platform } from '../../platform/platform.ts';

/** Reports are at least so far apart. */
const INTERVAL_MS = 100;

/** Puts together how far the parts of a checkpoint are, and says so now and then. */
export class ProgressMeter {
  private progress: CheckpointProgress;
  private readonly report: (progress: CheckpointProgress) => void;
  private reportedMs = platform().clock.nowMs();

  constructor(name: string, toCopyBytes: number, report: (progress: CheckpointProgress) => void) {
    this.progress = { name, fileBytes: 0, copiedBytes: 0, toCopyBytes };
    this.report = report;
  }

  update(part: Partial<Pick<CheckpointProgress, 'fileBytes' | 'copiedBytes'>>): void {
    this.progress = { ...this.progress, ...part };
    const nowMs = platform().clock.nowMs();
    if (nowMs - this.reportedMs < INTERVAL_MS) return;
    this.reportedMs = nowMs;
    this.report(this.progress);
  }
}
