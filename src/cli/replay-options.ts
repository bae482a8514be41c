import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ContinueOptions } from '../api/checkpoint.ts';
import { DEBUG_ADDRESS, parseDebugAddress } from '../api/debug.ts';
import type { DiskOptions } from '../api/index.ts';
import { checkEngine, type TranslationOptions } from '../api/options.ts';
import { GodwitError } from '../common/errors.ts';
import type { Seek } from '../service/replay/player.ts';
import { clockOption, identityOption } from './continue-options.ts';
import { addEngineOptions, type EngineOptions, engineOptionsOf } from './engine-options.ts';
import { collectDisk } from './run-options.ts';

/** What commander gives for `godwit replay`. */
export interface ReplayCommandOptions extends ContinueOptions, EngineOptions {
  readonly speed?: number;
  readonly to?: Seek;
  readonly toBranch?: Seek;
  readonly toText?: Seek;
  readonly follow?: boolean;
  readonly live?: boolean;
  readonly record?: string;
  readonly checkpoint?: string;
  readonly store?: string;
  readonly disk: readonly DiskOptions[];
  readonly verify?: boolean;
  readonly info?: boolean;
  readonly json?: boolean;
  readonly gdb?: number | string;
  readonly debug?: boolean;
}

const HELP = `
Shows the console as it was. Without a terminal on standard output, as quickly as can be. FILE may
be the folder FILE.flight that a flight recorder left when its process was killed.

On a terminal:
  space   pause, and go on
  + -     twice, half as quickly
  0       as quickly as it was
  m       as quickly as can be
  g       go to a time (12.5s, 1m30s), a branch count (#123456) or the next place that shows a text
          (/text); also back
  ← →     10 seconds back, forth
  c       keep the machine as it is here: a checkpoint, as "godwit checkpoint list" shows it
  l       go live: the machine runs on from here by itself, with the keyboard; Ctrl-A x ends it
  q       quit

The exit status is 0 when the recording was played to its end (with --live: the guest's own), 1 when
it cannot be played, 2 when the command makes no sense, 3 when the replay diverged from the
recording.

Examples:
  godwit run --record boot.rec
  godwit replay boot.rec --speed 2
  godwit replay boot.rec --to-text 'login:'        begin where that was shown
  godwit replay boot.rec --to 12.5s --live         a machine that goes on from there
  godwit replay boot.rec --to 12.5s --checkpoint before-the-crash
  godwit replay boot.rec --gdb 1234                and in gdb: target remote :1234, reverse-continue
  godwit replay boot.rec --follow                  watch a machine that is recording
  godwit replay boot.rec --verify                  is every replay the same?
`;

export function addReplayOptions(command: Command): Command {
  command
    .option('--speed <factor>', 'times as quickly as it was, such as 0.5 or 10; or max', parseSpeed)
    .addOption(new Option('--to <time>', 'begin there: 12.5s, 2m, 1m30s from the start').argParser(parseTime))
    .addOption(new Option('--to-branch <count>', 'begin at this branch count').argParser(parseBranch))
    .addOption(new Option('--to-text <text>', 'begin where the console has shown this').argParser(parseText))
    .option('--follow', 'the recording is still being made: show what happens, and wait for more')
    .option('--live', 'go live there, or at the end: the machine runs on by itself')
    .option('--record <file>', 'with --live: record how it goes on')
    .option('--checkpoint <name>', 'keep the machine as it was there, or at the end')
    .option('--store <folder>', 'with --checkpoint: the folder of all checkpoints')
    .addOption(identityOption('with --live: '))
    .addOption(clockOption('with --live: '))
    .option(
      '-d, --disk <image>',
      'for --live and --checkpoint: FILE[,format=raw|qcow2], a disk as it was at the start; stays so',
      collectDisk,
      [],
    )
    .option('--verify', 'show nothing: compare everything with the recording')
    .option('--info', 'say what the file holds')
    .option('--json', 'with --verify and --info: one JSON object')
    .option(
      '--gdb <port|path>',
      'let gdb move through it, forth and back, over a TCP port or a unix socket; ends when gdb kills it',
      parseDebugAddress,
    );
  return addEngineOptions(command).option('--debug', 'print stack traces with errors').addHelpText('after', HELP);
}

function parseSpeed(text: string): number {
  const speed = text === 'max' ? Number.POSITIVE_INFINITY : Number(text.replace(/x$/, ''));
  if (text !== '' && speed > 0) return speed;
  throw new InvalidArgumentError('It is a factor such as 0.5 or 10, or "max".');
}

/** Seconds, or a number with units. */
export function parseTime(text: string): Seek {
  const [, hours, minutes, seconds] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/.exec(text.trim()) ?? [];
  if (hours === undefined && minutes === undefined && seconds === undefined) {
    throw new InvalidArgumentError('It is a time such as 12.5s or 1m30s.');
  }
  return { kind: 'time', seconds: Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0) };
}

export function parseBranch(text: string): Seek {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return { kind: 'branch', branches: BigInt(text) };
}

export function parseText(text: string): Extract<Seek, { kind: 'text' }> {
  if (text === '') throw new InvalidArgumentError('It cannot be empty.');
  return { kind: 'text', text };
}

export function translationOf(options: ReplayCommandOptions): TranslationOptions {
  return checkEngine(engineOptionsOf(options));
}

/** Where to begin. */
export function placeOf({ to, toBranch, toText }: ReplayCommandOptions): Seek | undefined {
  return to ?? toBranch ?? toText;
}

/** Options that contradict one another. Throws GodwitError('usage'). */
export function refuseReplayNonsense(options: ReplayCommandOptions): void {
  const { to, toBranch, toText, live, verify, info, disk, json, speed, record } = options;
  const refuse = (message: string): never => {
    throw new GodwitError('usage', message);
  };
  const places = [to, toBranch, toText].filter((place) => place !== undefined);
  if (places.length > 1) refuse('Only one of --to, --to-branch and --to-text makes sense.');
  if (verify && info) refuse('--verify and --info are two commands: leave one out.');
  if ((verify || info) && (live || options.checkpoint !== undefined || places.length > 0 || speed !== undefined)) {
    refuse('--verify and --info play nothing: leave --live, --checkpoint, --speed and --to out.');
  }
  if (options.follow && (verify || info || live || options.checkpoint !== undefined || options.gdb !== undefined)) {
    refuse('With --follow a recording is only shown: leave --verify, --info, --live, --checkpoint and --gdb out.');
  }
  if (json && !verify && !info) refuse('--json is for --verify and --info.');
  if (options.gdb !== undefined) {
    DEBUG_ADDRESS.parse(options.gdb, '--gdb');
    if (live || verify || info || options.checkpoint !== undefined || speed !== undefined) {
      refuse('With --gdb it is gdb that moves through the recording: only --to, --to-branch and --to-text go with it.');
    }
  }
  if (record !== undefined && !live) refuse('--record is for --live: there is a recording of the rest.');
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  if (disk.length > 0 && !live && options.checkpoint === undefined && !isTerminal) {
    refuse('--disk is for --live and --checkpoint: a replay needs no disks.');
  }
  if (options.store !== undefined && options.checkpoint === undefined && !isTerminal) {
    refuse('--store is for --checkpoint.');
  }
}
