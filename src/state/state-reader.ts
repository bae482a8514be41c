import { GodwitError } from '../common/errors.ts';
import type { PlainData } from './plain-data.ts';

/**
 * Reads one record of saved state, checking every field. A device reads all its fields before it changes anything, so that
 * a damaged state leaves it as it was.
 */
export class StateReader {
  readonly #what: string;
  readonly #record: { [key: string]: PlainData };

  /** `what` names the part of the machine for messages; the record must have exactly the given fields. */
  constructor(what: string, state: PlainData, fields: readonly string[]) {
    this.#what = what;
    if (state === null || typeof state !== 'object' || Array.isArray(state) || state instanceof Uint8Array) {
      throw this.#damaged('it is not a record');
    }
    this.#record = state;
    for (const name of fields) {
      if (!Object.hasOwn(state, name)) throw this.#damaged(`the field "${name}" is missing`);
    }
    for (const name of Object.keys(state)) {
      if (!fields.includes(name)) throw this.#damaged(`the field "${name}" is unknown`);
    }
  }

  /** An integer from 0 to `maximum`. */
  integer(name: string, maximum: number): number {
    return this.#checkInteger(name, this.#record[name], maximum);
  }

  flag(name: string): boolean {
    const value = this.#record[name];
    if (typeof value !== 'boolean') throw this.#damaged(`the field "${name}" is not true or false`);
    return value;
  }

  /** An unsigned 64-bit integer. */
  u64(name: string): bigint {
    const value = this.#record[name];
    if (typeof value !== 'bigint' || value < 0n || value >= 1n << 64n) {
      throw this.#damaged(`the field "${name}" is not an unsigned 64-bit integer`);
    }
    return value;
  }

  /** A copy of a byte array of at most `maximumLength` bytes. */
  bytes(name: string, maximumLength: number): Uint8Array {
    const value = this.#record[name];
    if (!(value instanceof Uint8Array)) throw this.#damaged(`the field "${name}" is not a byte array`);
    if (value.length > maximumLength) throw this.#damaged(`the field "${name}" is too long`);
    return value.slice();
  }

  /** One of the given words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.#record[name];
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.#damaged(`the field "${name}" has an unknown value`);
    return word;
  }

  /** A list of `minimum` to `maximum` entries. */
  list(name: string, minimum: number, maximum: number): readonly PlainData[] {
    const value = this.#record[name];
    if (!Array.isArray(value)) throw this.#damaged(`the field "${name}" is not a list`);
    if (value.length < minimum || value.length > maximum) {
      throw this.#damaged(`the field "${name}" has ${value.length} entries`);
    }
    return value;
  }

  /** A list of exactly `count` integers, each from 0 to `maximum`. */
  integers(name: string, count: number, maximum: number): number[] {
    return this.list(name, count, count).map((value) => this.#checkInteger(name, value, maximum));
  }

  /** A field that is a record of its own, or whatever else another reader checks. */
  raw(name: string): PlainData {
    return this.#record[name] ?? null;
  }

  /** Throws when a relation between fields does not hold. */
  require(condition: boolean, message: string): void {
    if (!condition) throw this.#damaged(message);
  }

  #checkInteger(name: string, value: PlainData | undefined, maximum: number): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > maximum) {
      throw this.#damaged(`the field "${name}" is not an integer from 0 to ${maximum}`);
    }
    return value;
  }

  #damaged(reason: string): GodwitError {
    return new GodwitError('damaged', `The saved state of ${this.#what} is damaged: ${reason}.`);
  }
}
