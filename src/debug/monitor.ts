import { GodwitError, isForeseen } from '../common/errors.ts';
import * as L from '../hart/layout.ts';
import { formatAddress } from './hex.ts';
import { CSR_REGISTERS, FLOAT_REGISTERS, GENERAL, type Register, registerNamed } from './registers.ts';
import type { DebugSession } from './session.ts';
import type { StopList } from './stop-list.ts';

export interface MonitorContext {
  readonly session: DebugSession;
  readonly stops: StopList;
}

interface Command {
  readonly usage: string;
  readonly help: string;
  run(context: MonitorContext, words: readonly string[]): string[];
}

const MODES: Readonly<Record<string, string>> = { 0: 'U', 1: 'S', 3: 'M' };
const COLUMNS = 4;

const hex = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');

function table(registers: readonly Register[], { session }: MonitorContext): string[] {
  const cells = registers.map(({ name, read }) => `${name.padEnd(10)} ${hex(read(session.target.core))}`);
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += COLUMNS) lines.push(cells.slice(i, i + COLUMNS).join('  '));
  return lines;
}

/** A number as people write it. */
function parseNumber(text: string): bigint {
  if (!/^(?:0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text)) throw new GodwitError('usage', `"${text}" is no number.`);
  return BigInt.asUintN(64, BigInt(text));
}

function csr({ session }: MonitorContext, [name = '', text]: readonly string[]): string[] {
  const register = registerNamed(name);
  if (!register || !CSR_REGISTERS.includes(register)) throw new GodwitError('usage', `There is no CSR "${name}".`);
  const { core, readonlyBecause } = session.target;
  if (text !== undefined) {
    if (readonlyBecause !== undefined) throw new GodwitError('state', readonlyBecause);
    if (!register.write) throw new GodwitError('usage', `${name} cannot be written.`);
    register.write(core, parseNumber(text));
  }
  return [`${name} ${hex(register.read(core))}`];
}

function point({ session }: MonitorContext): string[] {
  const { current: hart, ticks } = session.target.core;
  return [
    `branches ${hart.branches}, pc ${formatAddress(hart.pc)}`,
    `instructions ${hart.instructionsRetired}, guest time ${Number(ticks) / 1e7} s, mode ${
      MODES[String(hart.get(L.PRIVILEGE))]
    }${hart.waiting ? ', waiting for an interrupt' : ''}`,
  ];
}

function translate({ session }: MonitorContext, [text = '']: readonly string[]): string[] {
  const address = parseNumber(text);
  const physical = session.view.translate(address);
  return [`${formatAddress(address)} ${physical === undefined ? 'is not mapped' : `-> ${formatAddress(physical)}`}`];
}

function physical({ session }: MonitorContext, [state]: readonly string[]): string[] {
  if (state === 'on' || state === 'off') session.view.physical = state === 'on';
  else if (state !== undefined) throw new GodwitError('usage', 'It is "phys on" or "phys off".');
  return [`memory is accessed by ${session.view.physical ? 'physical' : 'virtual'} addresses`];
}

function onlyHere({ session }: MonitorContext, [state]: readonly string[]): string[] {
  if (state === 'on') session.onlySpace = session.target.core.current.unsigned(L.SATP);
  else if (state === 'off') session.onlySpace = undefined;
  else if (state !== undefined) throw new GodwitError('usage', 'It is "process on" or "process off".');
  const { onlySpace } = session;
  const where =
    onlySpace === undefined ? 'in every process' : `only in the process with satp ${formatAddress(onlySpace)}`;
  return [`stops at user addresses count ${where}`];
}

function goTo(context: MonitorContext, [text = '']: readonly string[]): string[] {
  const { target } = context.session;
  const branches = parseNumber(text);
  if (!target.history) throw new GodwitError('state', 'Only a recording can be gone through.');
  const { history } = target;
  target.core.stops.pass(() => history.seekBranches(branches));
  return [...point(context), 'gdb shows the old registers until "maintenance flush register-cache".'];
}

function statistics({ session }: MonitorContext): string[] {
  const { core } = session.target;
  const { regions, translated, dropped, bytes } = core.engine.translator.stats;
  return [
    `instructions ${core.instructionsRetired}, branches ${core.current.branches}`,
    `memory ${core.ram.sizeBytes} bytes, frames in use ${core.engine.arena.frameCount}`,
    `translated code: ${regions} regions live, ${translated} made, ${dropped} dropped, ${bytes} bytes`,
  ];
}

const COMMANDS: Readonly<Record<string, Command>> = {
  help: {
    usage: 'help',
    help: 'this list',
    run: () => Object.values(COMMANDS).map(({ usage, help }) => `${usage.padEnd(22)}${help}`),
  },
  point: { usage: 'point', help: 'the execution point: branches and pc; instructions, guest time', run: point },
  registers: {
    usage: 'registers',
    help: 'integer and floating-point registers',
    run: (context) => table([...GENERAL, ...FLOAT_REGISTERS], context),
  },
  csrs: {
    usage: 'csrs',
    help: 'all control and status registers but hardware performance counters',
    run: (context) =>
      table(
        CSR_REGISTERS.filter(({ name }) => !/hpm/.test(name)),
        context,
      ),
  },
  csr: { usage: 'csr NAME [VALUE]', help: 'shows a CSR, or writes it', run: csr },
  translate: { usage: 'translate ADDRESS', help: 'the physical address behind a virtual one', run: translate },
  phys: { usage: 'phys [on|off]', help: 'whether memory is accessed by physical addresses', run: physical },
  goto: { usage: 'goto BRANCHES', help: 'in a recording, goes to a branch count', run: goTo },
  process: {
    usage: 'process [on|off]',
    help: 'stops at user addresses count only in the process that executes now',
    run: onlyHere,
  },
  stops: {
    usage: 'stops',
    help: 'breakpoints and watchpoints as they are set now',
    run: ({ stops }) => stops.description,
  },
  stats: { usage: 'stats', help: 'instructions, memory, translated code', run: statistics },
};

/** Carries out a `monitor` command and gives what it says. Nothing a person writes throws. */
export function monitor(context: MonitorContext, line: string): string {
  const [name = '', ...words] = line.trim().split(/\s+/);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) return `There is no "${name}". "monitor help" lists what there is.\n`;
  try {
    return command
      .run(context, words)
      .map((text) => `${text}\n`)
      .join('');
  } catch (error) {
    if (!isForeseen(error)) throw error;
    return `${error.message}\n`;
  }
}
