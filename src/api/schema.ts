/**
 * What an action takes, said once: how unknown input is checked, what type comes of it, and the JSON Schema for those
 * who are told in writing. Whoever asks is refused with GodwitError('usage'), which names the field.
 */
import { fromBase64 } from '../common/base64.ts';
import { GodwitError, isForeseen } from '../common/errors.ts';

/** As in JSON Schema; only what is used here. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export interface Schema<T> {
  /** `name`: what it is called in errors. Throws GodwitError('usage'). */
  parse(value: unknown, name: string): T;
  readonly json: JsonSchema;
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
/** Of what is refused, in an error. */
const LONGEST_QUOTE = 80;

function refuse(name: string, what: string): never {
  throw new GodwitError('usage', `The request makes no sense: "${name}" ${what}.`);
}

function schema<T>(json: JsonSchema, what: string, accepts: (value: unknown) => value is T): Schema<T> {
  return { json, parse: (value, name) => (accepts(value) ? value : refuse(name, `is ${what}`)) };
}

export function text(): Schema<string> {
  return schema(
    { type: 'string', minLength: 1, maxLength: LONGEST_TEXT },
    `a text of 1 to ${LONGEST_TEXT} characters`,
    (value): value is string =>
      typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT && !value.includes('\0'),
  );
}

/** Any text, an empty one included. */
export function string(limit: number): Schema<string> {
  return schema(
    { type: 'string', maxLength: limit },
    `a text of up to ${limit} characters, none of them a zero`,
    (value): value is string => typeof value === 'string' && value.length <= limit && !value.includes('\0'),
  );
}

export function list<T>(item: Schema<T>, minimum: number, maximum: number): Schema<readonly T[]> {
  const parse = (value: unknown, name: string): readonly T[] => {
    if (!Array.isArray(value) || value.length < minimum || value.length > maximum) {
      return refuse(name, `is a list of ${minimum} to ${maximum}`);
    }
    return value.map((each) => item.parse(each, name));
  };
  return { json: { type: 'array', items: item.json, minItems: minimum, maxItems: maximum }, parse };
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

/** For callers in this process: JSON has none. Told by its tag, since a Uint8Array may come from another realm. */
export function bytes(): Schema<Uint8Array> {
  return schema(
    { type: 'string', format: 'binary' },
    'a Uint8Array',
    (value): value is Uint8Array => Object.prototype.toString.call(value) === '[object Uint8Array]',
  );
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

/** A field that may be left out; undefined is the same. */
export function optional<T>(field: Schema<T>): OptionalField<T> {
  return { ...field, optional: true };
}

export function object<F extends Fields>(fields: F): Schema<ParsedFields<F>> {
  const known = Object.keys(fields);
  const required = known.filter((field) => !('optional' in fields[field]!));
  const properties = Object.fromEntries(known.map((field) => [field, fields[field]!.json]));
  const parse = (value: unknown, name: string): ParsedFields<F> => {
    if (!isObject(value)) refuse(name, 'takes an object');
    const other = Object.keys(value).find((field) => !known.includes(field));
    if (other !== undefined)
      refuse(name, `has no ${JSON.stringify(other.slice(0, LONGEST_QUOTE))}; ${thereAre(known)}`);
    const parsed: Record<string, unknown> = {};
    for (const field of known) {
      if (value[field] !== undefined) parsed[field] = fields[field]!.parse(value[field], field);
      else if (required.includes(field)) refuse(name, `needs "${field}"`);
    }
    return parsed as ParsedFields<F>;
  };
  return { json: { type: 'object', properties, required, additionalProperties: false }, parse };
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
