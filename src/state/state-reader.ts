import { GodwitError } from '../common/errors.ts';
import { madeByNewer, requireVersion } from './format-errors.ts';
import type { PlainData } from './plain-data.ts';

const VERSION = 'version';
/** A name that ends so is of something that a reader may leave out when it does not know it. */
const OPTIONAL_MARK = '?';

/** Whether a record has a field that records of its version may have or not. */
export function hasField(data: PlainData, name: string): boolean {
  return data !== null && typeof data === 'object' && Object.hasOwn(data, name);
}

/** Whether a field or a device may be left out by those who do not know it. */
export function isOptional(name: string): boolean {
  return name.endsWith(OPTIONAL_MARK);
}

/**
 * Reads one record of saved state, checking every field. A device reads all its fields before it changes anything, so
 * that a damaged state leaves it as it was. docs/FORMATS.md has the rules: a part has a version, what a reader does not
 * know was made by a newer godwit, and what is marked as optional may be unknown or missing.
 */
export class StateReader {
  private readonly what: string;
  private readonly record: { [key: string]: PlainData };

  /** A record that is a part, with a version of its own: `version` is what is known of it. */
  static part(what: string, state: PlainData, version: number, fields: readonly string[]): StateReader {
    const found = (state as { version?: unknown } | null)?.version;
    if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0)
      requireVersion(`The state of ${what}`, found, version);
    const reader = new StateReader(what, state, [VERSION, ...fields]);
    reader.integer(VERSION, version);
    return reader;
  }

  /**
   * `what` names the part of the machine for messages; a record within a part has the fields that the part's version
   * has.
   */
  constructor(what: string, state: PlainData, fields: readonly string[]) {
    this.what = what;
    if (state === null || typeof state !== 'object' || Array.isArray(state) || state instanceof Uint8Array) {
      throw this.damaged('it is not a record');
    }
    this.record = state;
    for (const name of Object.keys(state)) {
      if (fields.includes(name) || isOptional(name)) continue;
      throw madeByNewer(`The state of ${what}`, `it has "${name}", which this one does not know`);
    }
    for (const name of fields) {
      if (Object.hasOwn(state, name) || isOptional(name)) continue;
      throw this.damaged(`the field "${name}" is missing`);
    }
  }

  has(name: string): boolean {
    return Object.hasOwn(this.record, name);
  }

  /** An integer from 0 to `maximum`. */
  integer(name: string, maximum: number): number {
    return this.checkInteger(name, this.record[name], maximum);
  }

  flag(name: string): boolean {
    const value = this.record[name];
    if (typeof value !== 'boolean') throw this.damaged(`the field "${name}" is not true or false`);
    return value;
  }

  /** An unsigned 64-bit integer. */
  u64(name: string): bigint {
    const value = this.record[name];
    if (typeof value !== 'bigint' || value < 0n || value >= 1n << 64n) {
      throw this.damaged(`the field "${name}" is not an unsigned 64-bit integer`);
    }
    return value;
  }

  /** A copy of a byte array of at most `maximumLength` bytes. */
  bytes(name: string, maximumLength: number): Uint8Array {
    const value = this.record[name];
    if (!(value instanceof Uint8Array)) throw this.damaged(`the field "${name}" is not a byte array`);
    if (value.length > maximumLength) throw this.damaged(`the field "${name}" is too long`);
    return value.slice();
  }

  text(name: string): string {
    const value = this.record[name];
    if (typeof value !== 'string') throw this.damaged(`the field "${name}" is not a text`);
    return value;
  }

  /** One of the given words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.record[name];
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.damaged(`the field "${name}" has an unknown value`);
    return word;
  }

  /** A list of `minimum` to `maximum` entries. */
  list(name: string, minimum: number, maximum: number): readonly PlainData[] {
    const value = this.record[name];
    if (!Array.isArray(value)) throw this.damaged(`the field "${name}" is not a list`);
    if (value.length < minimum || value.length > maximum) {
      throw this.damaged(`the field "${name}" has ${value.length} entries`);
    }
    return value;
  }

  /** A list of exactly `count` integers, each from 0 to `maximum`. */
  integers(name: string, count: number, maximum: number): number[] {
    return this.list(name, count, count).map((value) => this.checkInteger(name, value, maximum));
  }

  /** A field that is a record of its own, or whatever else another reader checks. */
  raw(name: string): PlainData {
    return this.record[name] ?? null;
  }

  /** Throws when a relation between fields does not hold. */
  require(condition: boolean, message: string): void {
    if (!condition) throw this.damaged(message);
  }

  private checkInteger(name: string, value: PlainData | undefined, maximum: number): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > maximum) {
      throw this.damaged(`the field "${name}" is not an integer from 0 to ${maximum}`);
    }
    return value;
  }

  private damaged(reason: string): GodwitError {
    return new GodwitError('damaged', `The saved state of ${this.what} is damaged: ${reason}.`);
  }
}
