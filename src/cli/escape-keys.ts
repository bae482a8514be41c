/** Ctrl-A and a letter are for godwit, as in QEMU; everything else is for the guest. */

export const ESCAPE = 0x01;

export type EscapeCommand = 'quit' | 'detach' | 'help' | 'statistics' | 'pause' | 'save-flight';

const COMMANDS: Readonly<Record<string, EscapeCommand>> = {
  x: 'quit',
  d: 'detach',
  h: 'help',
  '?': 'help',
  s: 'statistics',
  p: 'pause',
  r: 'save-flight',
};

export const ESCAPE_HELP = [
  'Ctrl-A x  quit (the guest is not asked: "poweroff" in the guest is kinder)',
  'Ctrl-A s  show statistics',
  'Ctrl-A p  pause, and go on',
  'Ctrl-A r  make a recording of what the flight recorder keeps',
  'Ctrl-A h  this help',
  'Ctrl-A Ctrl-A  send Ctrl-A to the guest',
];

/** On a terminal that another process's machine is attached to. */
export const ATTACHED_HELP = [
  'Ctrl-A d  detach: the machine goes on (Ctrl-A x does the same)',
  'Ctrl-A s  show statistics',
  'Ctrl-A p  pause, and go on',
  'Ctrl-A h  this help',
  'Ctrl-A Ctrl-A  send Ctrl-A to the guest',
];

export type Typed =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'command'; readonly command: EscapeCommand };

/** Takes escapes out of what is typed. Remembers a Ctrl-A whose letter has not come yet. */
export class EscapeKeys {
  private pending = false;

  /** What was typed, in order. An escape with an unknown letter is dropped. */
  feed(bytes: Uint8Array): Typed[] {
    const typed: Typed[] = [];
    let plain: number[] = [];
    const finishPlain = (): void => {
      if (plain.length > 0) typed.push({ kind: 'bytes', bytes: Uint8Array.from(plain) });
      plain = [];
    };
    for (const byte of bytes) {
      if (!this.pending) {
        if (byte === ESCAPE) this.pending = true;
        else plain.push(byte);
        continue;
      }
      this.pending = false;
      const command = COMMANDS[String.fromCharCode(byte).toLowerCase()];
      if (byte === ESCAPE) plain.push(ESCAPE);
      else if (command) {
        finishPlain();
        typed.push({ kind: 'command', command });
      }
    }
    finishPlain();
    return typed;
  }
}
