import { InvalidArgumentError } from 'commander';
import type { Seek } from '../service/replay/player.ts';
import type { ReplayKey } from './replay-keys.ts';
import { parseBranch, parseText, parseTime } from './replay-options.ts';

export type PromptAnswer =
  | { readonly kind: 'more' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'place'; readonly place: Seek }
  | { readonly kind: 'nonsense'; readonly message: string };

const INTERRUPT = '\x03';
const ENTER = '\r';
const RUBOUTS = ['\x7f', '\b'];
const LONGEST = 200;

/** Asks for a place in a recording. */
export class PlacePrompt {
  private typed = '';

  /** What the user sees. */
  get text(): string {
    return `go to (12.5s, #BRANCHES, /TEXT): ${this.typed}`;
  }

  key(key: ReplayKey): PromptAnswer {
    if (key === ENTER) return this.typed === '' ? { kind: 'cancelled' } : parsePlace(this.typed);
    if (key === INTERRUPT) return { kind: 'cancelled' };
    if (RUBOUTS.includes(key)) this.typed = this.typed.slice(0, -1);
    else if (key.length <= 2 && key >= ' ' && this.typed.length < LONGEST) this.typed += key;
    return { kind: 'more' };
  }
}

/** "12.5s", "#123456" or "/text". */
export function parsePlace(text: string): PromptAnswer {
  try {
    if (text.startsWith('/')) return { kind: 'place', place: { ...parseText(text.slice(1)), again: true } };
    return { kind: 'place', place: text.startsWith('#') ? parseBranch(text.slice(1)) : parseTime(text) };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return { kind: 'nonsense', message: error.message };
  }
}
