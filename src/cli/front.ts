/** How a run talks to its user: plainly, or in JSON lines. */
import type { MachineEnd, MachineStatistics } from '../api/index.ts';
import { describeEngine, describeStatistics } from '../api/index.ts';
import type { GodwitError } from '../common/errors.ts';
import { sentencesOf } from './errors.ts';
import { writeAll } from './output.ts';

export interface Front {
  started(facts: { readonly console: string; readonly memory: string; readonly name: string | null }): void;
  /** Resolves when the output is out. Rejects when nobody reads it any more. */
  output(bytes: Uint8Array): Promise<void>;
  diskError(disk: number, error: GodwitError): void;
  /** A recording has ended early. */
  recordingError(error: GodwitError): void;
  ended(end: MachineEnd, showStatistics: boolean): Promise<void>;
}

export function statisticsLine(statistics: MachineStatistics): string {
  return `godwit: ${describeStatistics(statistics)}\n`;
}

export class PlainFront implements Front {
  /** In raw mode a line end does not return the carriage. */
  private readonly stderr: (text: string) => void;
  /** What was said last of each disk: many requests fail for one reason. */
  private readonly saidOfDisks = new Map<number, string>();

  constructor(stderr: (text: string) => void) {
    this.stderr = stderr;
  }

  started(): void {}

  output(bytes: Uint8Array): Promise<void> {
    return writeAll(process.stdout, bytes);
  }

  diskError(disk: number, { message }: GodwitError): void {
    if (this.saidOfDisks.get(disk) === message) return;
    this.saidOfDisks.set(disk, message);
    this.stderr(`godwit: disk ${disk}: ${message}\n`);
  }

  recordingError(error: GodwitError): void {
    this.stderr(`godwit: ${sentencesOf(error)}\n`);
  }

  async ended({ statistics }: MachineEnd, showStatistics: boolean): Promise<void> {
    if (!showStatistics) return;
    this.stderr(statisticsLine(statistics));
    for (const line of describeEngine(statistics)) this.stderr(`godwit: ${line}\n`);
  }
}

/**
 * One JSON object per line on standard output, each with "event":
 *
 *     {"event":"started","console":"uart","memory":"512M","name":"machine-1"}
 *     {"event":"console","text":"..."}                      UTF-8; bytes that are none become U+FFFD
 *     {"event":"disk-error","disk":0,"code":"io","message":"..."}
 *     {"event":"recording-error","code":"full","message":"..."}
 *     {"event":"ended","reason":"power-off","exitCode":0,"statistics":{"instructions":...,"branches":...,"wallMs":...,
 *      "busyMs":...,"guestMs":...,"firstOutputMs":...,"resets":...,"engine":{...}}}
 *
 * Errors that keep the machine from running are on standard error, as always.
 */
export class JsonFront implements Front {
  private readonly decoder = new TextDecoder();

  private line(object: object): Promise<void> {
    return writeAll(process.stdout, `${JSON.stringify(object)}\n`);
  }

  started(facts: object): void {
    this.line({ event: 'started', ...facts }).catch(() => {});
  }

  async output(bytes: Uint8Array): Promise<void> {
    const text = this.decoder.decode(bytes, { stream: true });
    if (text !== '') await this.line({ event: 'console', text });
  }

  diskError(disk: number, { code, message }: GodwitError): void {
    this.line({ event: 'disk-error', disk, code, message }).catch(() => {});
  }

  recordingError({ code, message }: GodwitError): void {
    this.line({ event: 'recording-error', code, message }).catch(() => {});
  }

  async ended(end: MachineEnd): Promise<void> {
    await this.line({ event: 'ended', ...end });
  }
}
