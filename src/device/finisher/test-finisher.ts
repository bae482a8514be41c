import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import type { AccessWidth, MmioDevice } from '../device.ts';
import { FINISHER_FAIL, FINISHER_PASS, FINISHER_RESET, FINISHER_SIZE_BYTES, FINISHER_STATUS } from './registers.ts';

/** Of the saved state. */
const VERSION = 1;

/** What the guest asked for: power off as passed or failed, or start anew. `code` is 0 to 65535. */
export interface Finish {
  /** 'pass': power off; 'fail': power off, as failed; 'reset': begin anew. */
  readonly kind: 'pass' | 'fail' | 'reset';
  /** What the guest says with a failure; 0 otherwise. */
  readonly code: number;
}

/** Power-off and reset by a register write. It has no state: what is asked for happens outside. */
export class TestFinisher implements MmioDevice {
  readonly name = 'finisher';
  readonly sizeBytes = FINISHER_SIZE_BYTES;

  private readonly finish: (finish: Finish) => void;

  constructor(parts: { finish: (finish: Finish) => void }) {
    this.finish = parts.finish;
  }

  read(_offset: number, _width: AccessWidth): number {
    return 0;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset !== FINISHER_STATUS || width === 1) return;
    const code = value >>> 16;
    switch (value & 0xffff) {
      case FINISHER_PASS:
        this.finish({ kind: 'pass', code });
        break;
      case FINISHER_FAIL:
        this.finish({ kind: 'fail', code });
        break;
      case FINISHER_RESET:
        this.finish({ kind: 'reset', code });
        break;
    }
  }

  reset(): void {}

  save(): PlainData {
    return { version: VERSION };
  }

  restore(state: PlainData): void {
    StateReader.part(this.name, state, VERSION, []);
  }
}
