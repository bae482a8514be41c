import wabt from 'wabt';
import { LINKS, SLOTS_LINKS, SLOTS_REGION } from '../../src/hart/decoded-slots.ts';
import * as L from '../../src/hart/layout.ts';
import { F_NAMES, X_NAMES } from '../../src/isa/index.ts';

/**
 * A function of a WebAssembly module as folded text, as people want to review it. Locals have the names of what the
 * function loads into them first; offsets in a hart have the names of hart/layout.ts, so that a change of the layout
 * does not change the text. But for these names it is WebAssembly's text format.
 */

type Node = string | Node[];

const WIDTH = 110;
const FEATURES = { tail_call: true, threads: true, sign_extension: true, bulk_memory: true, sat_float_to_int: true };

/** Offsets from a hart, by name. */
const FIELDS: ReadonlyMap<string, string> = new Map([
  ...X_NAMES.map((name, i) => [String(L.X_REGISTERS + 8 * i), name] as const),
  ...F_NAMES.map((name, i) => [String(L.F_REGISTERS + 8 * i), name] as const),
  ...Object.entries(L)
    .filter(([name, value]) => value >= L.SAVED_START && value < L.SPACES && !name.startsWith('SAVED_'))
    .map(([name, value]) => [String(value), name] as const),
]);
/** Offsets that are too large for an access of the guest. */
const FAR: ReadonlyMap<string, string> = new Map([
  [String(L.DATA_TLB + L.TLB_READ_TAG), 'DATA_TLB.READ_TAG'],
  [String(L.DATA_TLB + L.TLB_WRITE_TAG), 'DATA_TLB.WRITE_TAG'],
  [String(L.DATA_TLB + L.TLB_ADDEND), 'DATA_TLB.ADDEND'],
  [String(L.DATA_TLB + L.TLB_PAGE), 'DATA_TLB.PAGE'],
  [String(L.FETCH_TLB + L.TLB_READ_TAG), 'FETCH_TLB.READ_TAG'],
  [String(L.FETCH_TLB + L.TLB_ADDEND), 'FETCH_TLB.ADDEND'],
  [String(SLOTS_REGION), 'SLOTS_REGION'],
  ...Array.from({ length: LINKS }, (_, i) => [String(SLOTS_LINKS + 4 * i), `SLOTS_LINKS[${i}]`] as const),
]);
const PARAMETERS = ['hart', 'page', 'decoded'];
/** What stands before a function's statements. */
const HEAD: ReadonlySet<string> = new Set(['type', 'param', 'result', 'local']);
/** What is in these is statements, so each gets lines of its own. */
const BLOCKS: ReadonlySet<string> = new Set(['block', 'loop', 'if', 'then', 'else']);

/** The text of a module's only function, statement by statement. */
export async function functionText(module: Uint8Array): Promise<string> {
  const { readWasm } = await wabt();
  const parsed = readWasm(module, { readDebugNames: false, ...FEATURES });
  try {
    parsed.validate();
    parsed.generateNames();
    parsed.applyNames();
    const text = parsed.toText({ foldExprs: true, inlineExport: false });
    const func = (parse(text)[0] as Node[]).find((node) => Array.isArray(node) && node[0] === 'func') as Node[];
    const body = func.filter((node) => Array.isArray(node) && !HEAD.has(node[0] as string)) as Node[];
    const simple = simplified(body, branchTargets(body)) as Node[];
    const names = localNames(simple);
    return simple.map((node) => print(named(node, names), 0)).join('\n');
  } finally {
    parsed.destroy();
  }
}

function parse(text: string): Node[] {
  const stack: Node[][] = [[]];
  for (const [token] of text.replaceAll(/\(;.*?;\)|;;.*$/gm, '').matchAll(/[()]|"(?:[^"\\]|\\.)*"|[^\s()"]+/g)) {
    if (token === '(') stack.push([]);
    else if (token === ')') {
      const done = stack.pop()!;
      stack.at(-1)!.push(done);
    } else stack.at(-1)!.push(token);
  }
  return stack[0]!;
}

const LOAD_FROM_HART = /^i64\.load$/;

function* nodes(node: Node): Generator<Node[]> {
  if (!Array.isArray(node)) return;
  yield node;
  for (const part of node) yield* nodes(part);
}

/** The local that is read in one place, which tells what it is for. */
function localIn(func: Node[], pattern: RegExp): string | undefined {
  for (const node of nodes(func)) {
    const found = pattern.exec(onOneLine(node));
    if (found) return found[1];
  }
  return undefined;
}

/**
 * Names of locals: parameters, the two ways out, the transfers that are left, then what is loaded from the hart before
 * anything else happens.
 */
function localNames(func: Node[]): ReadonlyMap<string, string> {
  const names = new Map(PARAMETERS.map((name, i) => [`$p${i}`, `$${name}`]));
  const target = localIn(func, new RegExp(`^\\(i64\\.store offset=${L.PC} \\$p0 (\\$l\\d+)\\)$`));
  const wayOut = localIn(func, /^\(return \(i32\.shr_u (\$l\d+) \(i32\.const 29\)\)\)$/);
  const lessened = (field: number) =>
    localIn(func, new RegExp(`^\\(local\\.set (\\$l\\d+) \\(i64\\.sub \\(i64\\.load offset=${field} \\$p0\\)`));
  const left = lessened(L.STOP_BRANCHES);
  if (left) names.set(left, '$left');
  const apart = lessened(L.INSTRET);
  if (apart) names.set(apart, '$instret_apart');
  if (target) names.set(target, '$target');
  if (wayOut) names.set(wayOut, '$way_out');
  for (const node of func) {
    if (!Array.isArray(node) || node[0] !== 'local.set') continue;
    const [, local, value] = node as [string, string, Node];
    if (!Array.isArray(value) || !LOAD_FROM_HART.test(value[0] as string) || value[2] !== '$p0') continue;
    const field = FIELDS.get(String(value[1]).replace('offset=', ''));
    if (field && !names.has(local)) names.set(local, `$${field.toLowerCase()}`);
  }
  return names;
}

/**
 * Leaves out what says nothing: reading a local, alignment (which is a hint, and always 1), labels that nothing
 * branches to.
 */
function simplified(node: Node, targets: ReadonlySet<string>): Node {
  if (!Array.isArray(node)) return node;
  if (node[0] === 'local.get') return node[1]!;
  const rest = node.filter((part) => part !== 'align=1').map((part) => simplified(part, targets));
  const hasLabel = ['block', 'loop', 'if'].includes(rest[0] as string) && typeof rest[1] === 'string';
  if (hasLabel && !targets.has(rest[1] as string)) rest.splice(1, 1);
  return rest;
}

function branchTargets(func: Node[]): ReadonlySet<string> {
  const branches = [...nodes(func)].filter(([name]) => typeof name === 'string' && name.startsWith('br'));
  return new Set(branches.flatMap((branch) => branch.filter((part) => typeof part === 'string')) as string[]);
}

/** Replaces numbers by names. */
function named(node: Node, locals: ReadonlyMap<string, string>): Node {
  if (!Array.isArray(node)) return locals.get(node) ?? constant(node);
  const [name, offset, address] = node;
  const rest = node.map((part) => named(part, locals));
  if (typeof name !== 'string' || !/\.(load|store)/.test(name)) return rest;
  if (typeof offset !== 'string' || !offset.startsWith('offset=')) return rest;
  const field = (address === '$p0' ? FIELDS : FAR).get(offset.slice('offset='.length));
  if (field) rest[1] = `offset=${field}`;
  return rest;
}

/** Masks and page offsets are easier to read in base 16. */
function constant(text: string): string {
  if (!/^-?\d{4,}$/.test(text)) return text;
  const value = BigInt(text);
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function onOneLine(node: Node): string {
  return Array.isArray(node) ? `(${node.map(onOneLine).join(' ')})` : node;
}

function print(node: Node, indent: number): string {
  const margin = ' '.repeat(indent);
  if (!Array.isArray(node)) return margin + node;
  const short = onOneLine(node);
  if (!BLOCKS.has(node[0] as string) && short.length + indent <= WIDTH) return margin + short;
  const words: string[] = [];
  const parts = node.slice();
  while (typeof parts[0] === 'string' && (words.length === 0 || parts[0].includes('=')))
    words.push(parts.shift() as string);
  // Labels and locals, and the condition of an `if` where it fits, stand on the first line.
  const stays = (part: Node) => words[0] === 'if' || typeof part === 'string';
  while (parts.length > 0 && words.length < 3 && stays(parts[0]!) && !isBranchOfIf(parts[0]!)) {
    const text = onOneLine(parts[0]!);
    if (indent + words.join(' ').length + text.length + 2 > WIDTH) break;
    words.push(text);
    parts.shift();
  }
  const lines = [`${margin}(${words.join(' ')}`, ...parts.map((part) => print(part, indent + 2))];
  return `${lines.join('\n')})`;
}

function isBranchOfIf(node: Node): boolean {
  return Array.isArray(node) && (node[0] === 'then' || node[0] === 'else');
}
