/**
 * What an action or a call takes, said once: how unknown input is checked, what type comes of it, and the JSON Schema
 * for those who are told in writing. Whoever asks is refused with GodwitError('usage'), which names the field. What
 * JSON cannot say, such as a function, is for callers in this process.
 */

import { fromBase64 } from './base64.ts';
import type { Cancellation } from './cancellation.ts';
import { GodwitError, isForeseen } from './errors.ts';

/** As in JSON Schema; only what is used here. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export interface Schema<T> {
  /** `name`: what it is called in errors. Throws GodwitError('usage'). */
  parse(value: unknown, name: string): T;
  readonly json: JsonSchema;
  /** Never there: a schema that lacks a field of what it is for, an optional one too, does not compile. */
  readonly knows?: { readonly [Field in keyof T]-?: true } | null | undefined;
}

export interface OptionalField<T> extends Schema<T> {
  readonly optional: true;
}

type Fields = { readonly [name: string]: Schema<unknown> };

/** What a schema gives. */
export type Parsed<S> = S extends Schema<infer T> ? T : never;

type ParsedFields<F extends Fields> = {
  readonly [Name in keyof F as F[Name] extends OptionalField<unknown> ? never : Name]: Parsed<F[Name]>;
} & { readonly [Name in keyof F as F[Name] extends OptionalField<unknown> ? Name : never]?: Parsed<F[Name]> };

const LONGEST_TEXT = 4096;
const LONGEST_LIST = 1000;
/** Of what is refused, in an error. */
const LONGEST_QUOTE = 80;

const NO_SENSE = 'The request makes no sense';

function refuse(name: string, what: string): never {
  throw new GodwitError('usage', `${NO_SENSE}: "${name}" ${what}.`);
}

/** Of what kind something is, for a person. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value.slice(0, LONGEST_QUOTE));
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function schema<T>(json: JsonSchema, what: string, accepts: (value: unknown) => value is T): Schema<T> {
  return {
    json,
    parse: (value, name) => (accepts(value) ? value : refuse(name, `is ${what}, not ${kindOf(value)}`)),
  };
}

/** Anything. */
export function anything(): Schema<unknown> {
  return { json: {}, parse: (value) => value };
}

/** Any text, the empty one too. */
export function anyText(): Schema<string> {
  return schema({ type: 'string' }, 'a text', (value): value is string => typeof value === 'string');
}

export function text(): Schema<string> {
  return schema(
    { type: 'string', minLength: 1, maxLength: LONGEST_TEXT },
    `a text of 1 to ${LONGEST_TEXT} characters`,
    (value): value is string =>
      typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT && !value.includes('\0'),
  );
}

/** Any text up to a length, an empty one included. */
export function string(limit: number): Schema<string> {
  return schema(
    { type: 'string', maxLength: limit },
    `a text of up to ${limit} characters, none of them a zero`,
    (value): value is string => typeof value === 'string' && value.length <= limit && !value.includes('\0'),
  );
}

export function flag(): Schema<boolean> {
  return schema({ type: 'boolean' }, 'true or false', (value): value is boolean => typeof value === 'boolean');
}

export function wholeNumber(minimum: number, maximum: number): Schema<number> {
  return schema(
    { type: 'integer', minimum, maximum },
    `a whole number from ${minimum} to ${maximum}`,
    (value): value is number => Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum,
  );
}

/** Any number that is one, within bounds that belong to it. */
export function number(minimum: number, maximum: number): Schema<number> {
  return schema(
    { type: 'number', minimum, maximum },
    `a number from ${minimum} to ${maximum}`,
    (value): value is number => typeof value === 'number' && value >= minimum && value <= maximum,
  );
}

/** What timers of hosts can count. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** How long somebody waits. */
export function milliseconds(): Schema<number> {
  return number(0, LONGEST_WAIT_MS);
}

/** A bigint, from `minimum` on where one is given. */
export function wholeBigint(minimum?: bigint): Schema<bigint> {
  return schema(
    { type: 'integer' },
    minimum === undefined ? 'a bigint' : `a bigint from ${minimum} on`,
    (value): value is bigint => typeof value === 'bigint' && (minimum === undefined || value >= minimum),
  );
}

export function positiveNumber(): Schema<number> {
  return schema(
    { type: 'number', exclusiveMinimum: 0 },
    'a number above 0',
    (value): value is number => Number.isFinite(value) && (value as number) > 0,
  );
}

export function choice<const Word extends string>(...words: readonly Word[]): Schema<Word> {
  return schema({ enum: words }, words.map((word) => `"${word}"`).join(' or '), (value): value is Word =>
    words.includes(value as Word),
  );
}

const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)!.get!;

/** JSON has none. May come from another realm, and its length is of this moment. */
export function isBytes(value: unknown): value is Uint8Array {
  return typedArrayName.call(value) === 'Uint8Array';
}

/** What others may change meanwhile is copied, and what was given away to another thread is empty. */
export function bytes(): Schema<Uint8Array> {
  const given = schema({ type: 'string', format: 'binary' }, 'a Uint8Array', isBytes);
  const parse = (value: unknown, name: string): Uint8Array => {
    const parsed = given.parse(value, name);
    const isPlain = Object.prototype.toString.call(parsed.buffer) === '[object ArrayBuffer]' && parsed.length > 0;
    return isPlain ? parsed : Uint8Array.from(parsed.length === 0 ? [] : parsed);
  };
  return { json: given.json, parse };
}

/** Bytes; in JSON a text in Base64. */
export function binary(): Schema<Uint8Array> {
  const plain = bytes();
  const parse = (value: unknown, name: string): Uint8Array => {
    if (typeof value !== 'string') return plain.parse(value, name);
    return fromBase64(value) ?? refuse(name, 'is a text in Base64');
  };
  return { json: { type: 'string', contentEncoding: 'base64' }, parse };
}

/** One of our own that finds the same, whoever made it: without a place where it goes on (g, y). */
export function regularExpression(): Schema<RegExp> {
  const given = schema(
    {},
    'a regular expression',
    (value): value is RegExp => Object.prototype.toString.call(value) === '[object RegExp]',
  );
  const parse = (value: unknown, name: string): RegExp => {
    const { source, flags } = given.parse(value, name);
    try {
      return new RegExp(source, String(flags).replaceAll(/[gy]/g, ''));
    } catch {
      return refuse(name, 'is a regular expression that cannot be read');
    }
  };
  return { json: given.json, parse };
}

/** A function. */
export function callback<F extends (...parameters: never[]) => unknown>(): Schema<F> {
  return schema({}, 'a function', (value): value is F => typeof value === 'function');
}

/** An object that was made by this class. `what`: as in "is <what>". */
export function instanceOf<T>(maker: { readonly prototype: T }, what: string): Schema<T> {
  const { prototype } = maker as { readonly prototype: object };
  return schema(
    {},
    what,
    (value): value is T =>
      typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(prototype, value),
  );
}

/** An object with methods of these names, whoever made it. */
export function withMethods<T>(what: string, ...methods: readonly (keyof T & string)[]): Schema<T> {
  return schema(
    {},
    what,
    (value): value is T =>
      typeof value === 'object' &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function'),
  );
}

/** Tells when nobody wants it any more: an AbortSignal is one. */
export function cancellation(): Schema<Cancellation> {
  return schema(
    {},
    'an AbortSignal',
    (value): value is Cancellation =>
      typeof value === 'object' && value !== null && typeof (value as Cancellation).aborted === 'boolean',
  );
}

/** Items are called "name[0]" and so on. */
export function list<T>(item: Schema<T>, minimum = 0, maximum = LONGEST_LIST): Schema<readonly T[]> {
  const parse = (value: unknown, name: string): readonly T[] => {
    if (!Array.isArray(value)) refuse(name, `is a list, not ${kindOf(value)}`);
    if (value.length < minimum) refuse(name, `has at least ${minimum} items, not ${value.length}`);
    if (value.length > maximum) refuse(name, `has ${maximum} items at most, not ${value.length}`);
    // Holes are looked at, too.
    return Array.from(value as unknown[], (each, index) => item.parse(each, `${name}[${index}]`));
  };
  return { json: { type: 'array', items: item.json, minItems: minimum, maxItems: maximum }, parse };
}

/** Either; `what` is said of what is neither. */
export function either<A, B>(first: Schema<A>, second: Schema<B>, what: string): Schema<A | B> {
  const parse = (value: unknown, name: string): A | B => {
    for (const each of [first, second]) {
      try {
        return each.parse(value, name);
      } catch (error) {
        if (!isForeseen(error)) throw error;
      }
    }
    return refuse(name, `is ${what}`);
  };
  return { json: { anyOf: [first.json, second.json] }, parse };
}

/** One of several objects, told by the word in one of their fields. */
export function variants<Of extends { readonly [word: string]: Schema<unknown> }>(
  field: string,
  of: Of,
): Schema<Parsed<Of[keyof Of]>> {
  const words = object({ [field]: choice(...Object.keys(of)) }, { open: true });
  const parse = (value: unknown, name: string): Parsed<Of[keyof Of]> =>
    of[words.parse(value, name)[field] as string]!.parse(value, name) as Parsed<Of[keyof Of]>;
  return { json: { anyOf: Object.values(of).map(({ json }) => json) }, parse };
}

/** Refuses in words of its own: `words` is a clause of what makes no sense. */
export function inWords<T>(of: Schema<T>, words: (value: unknown) => string): Schema<T> {
  const parse = (value: unknown, name: string): T => {
    try {
      return of.parse(value, name);
    } catch (error) {
      if (!isForeseen(error)) throw error;
      throw new GodwitError('usage', error.message.replace(NO_SENSE, words(value)));
    }
  };
  return { json: of.json, parse };
}

/** Or null. */
export function nullable<T>(other: Schema<T>): Schema<T | null> {
  return {
    json: { anyOf: [other.json, { type: 'null' }] },
    parse: (value, name) => (value === null ? null : other.parse(value, name)),
  };
}

/** A field that may be left out; undefined is the same. */
export function optional<T>(field: Schema<T>): OptionalField<T> {
  return { ...field, optional: true };
}

/** `open`: other fields may be there, and are left out. */
export function object<F extends Fields>(
  fields: F,
  { open = false }: { readonly open?: boolean } = {},
): Schema<ParsedFields<F>> {
  const known = Object.keys(fields);
  const required = known.filter((field) => !('optional' in fields[field]!));
  const properties = Object.fromEntries(known.map((field) => [field, fields[field]!.json]));
  const parse = (value: unknown, name: string): ParsedFields<F> => {
    if (!isObject(value)) refuse(name, `takes an object, not ${kindOf(value)}`);
    const other = open ? undefined : Object.keys(value).find((field) => !known.includes(field));
    if (other !== undefined)
      refuse(name, `has no option ${JSON.stringify(other.slice(0, LONGEST_QUOTE))}; ${thereAre(known)}`);
    // Which of the items of a list it is.
    const prefix = name.endsWith(']') ? `${name}.` : '';
    const parsed: Record<string, unknown> = {};
    for (const field of known) {
      const given = value[field];
      if (given !== undefined) parsed[field] = fields[field]!.parse(given, `${prefix}${field}`);
      else if (required.includes(field)) needs(fields[field]!, field, name);
    }
    return parsed as ParsedFields<F>;
  };
  return { json: { type: 'object', properties, required, additionalProperties: open }, parse };
}

/** A field that is missing: in the words that it has of its own, or by what needs it. */
function needs(schema: Schema<unknown>, field: string, name: string): never {
  try {
    schema.parse(undefined, field);
  } catch (error) {
    if (!isForeseen(error)) throw error;
    if (!error.message.startsWith(NO_SENSE)) throw error;
  }
  return refuse(name, `needs "${field}"`);
}

function thereAre(known: readonly string[]): string {
  return known.length === 0 ? 'it takes nothing' : `there are ${known.join(', ')}`;
}

/** Nothing, or an object with nothing in it. */
export function nothing(): Schema<undefined> {
  const empty = object({});
  return {
    json: empty.json,
    parse: (value, name) => {
      if (value !== undefined) empty.parse(value, name);
      return undefined;
    },
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
