import { type EncodeOperands, encodeNamed } from '../../src/isa/index.ts';

/** A place in the code; branches may name it before it is placed. */
export interface CodeLabel {
  at: number | undefined;
  readonly uses: { readonly at: number; readonly name: string; readonly operands: EncodeOperands }[];
}

/** Puts instructions of the table one after another from an address on. */
export class Assembler {
  readonly base: number;
  private readonly halves: number[] = [];

  constructor(base: number) {
    this.base = base;
  }

  get address(): number {
    return this.base + 2 * this.halves.length;
  }

  /** Bits of an instruction, 16 or 32. */
  bits(bits: number): void {
    this.halves.push(bits & 0xffff);
    if ((bits & 3) === 3) this.halves.push(bits >>> 16);
  }

  op(name: string, operands: EncodeOperands = {}): void {
    this.bits(encodeNamed(name, operands));
  }

  label(): CodeLabel {
    return { at: undefined, uses: [] };
  }

  place(label: CodeLabel): void {
    label.at = this.address;
    for (const use of label.uses) this.patch(use.at, use.name, use.operands, label.at);
  }

  /** A branch or `jal` to a label. */
  to(label: CodeLabel, name: string, operands: EncodeOperands = {}): void {
    const at = this.address;
    if (label.at === undefined) label.uses.push({ at, name, operands });
    this.op(name, { ...operands, immediate: (label.at ?? at) - at });
  }

  private patch(at: number, name: string, operands: EncodeOperands, target: number): void {
    const bits = encodeNamed(name, { ...operands, immediate: target - at });
    const index = (at - this.base) / 2;
    this.halves[index] = bits & 0xffff;
    this.halves[index + 1] = bits >>> 16;
  }

  /** Any constant, in as many instructions as it takes. */
  li(rd: number, value: bigint): void {
    const signed = BigInt.asIntN(64, value);
    const low = Number(BigInt.asIntN(12, signed));
    if (signed >= -2048n && signed < 2048n) {
      this.op('addi', { rd, immediate: low });
      return;
    }
    const rest = signed - BigInt(low);
    if (signed >= -(1n << 31n) && rest < 1n << 31n) {
      this.op('lui', { rd, immediate: Number(rest) });
      if (low !== 0) this.op('addiw', { rd, rs1: rd, immediate: low });
      return;
    }
    this.li(rd, rest >> 12n);
    this.op('slli', { rd, rs1: rd, immediate: 12 });
    if (low !== 0) this.op('addi', { rd, rs1: rd, immediate: low });
  }

  csrw(csr: number, rs1: number): void {
    this.op('csrrw', { rs1, immediate: csr });
  }

  csrr(rd: number, csr: number): void {
    this.op('csrrs', { rd, immediate: csr });
  }

  /** Pads to a multiple of `bytes` with zeros, which are no instruction. */
  align(bytes: number): void {
    while (this.address % bytes !== 0) this.halves.push(0);
  }

  finish(): Uint8Array {
    return new Uint8Array(Uint16Array.from(this.halves).buffer);
  }
}
