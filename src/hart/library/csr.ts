import { invariant } from '../../common/invariant.ts';
import { type FunctionBuilder, type I32, i32, i64, type Label, type ModuleBuilder } from '../../execute/wasm/index.ts';
import { Cause } from '../constants.ts';
import { CSRS, type Csr, type CsrContext, type CsrParts } from '../csr.ts';
import * as L from '../layout.ts';
import type { Translate } from './translate.ts';

/** Reads and writes of control and status registers by address (privileged spec 2.1). */
export function defineCsr(module: ModuleBuilder, parts: CsrParts, { raise }: Translate) {
  /** One case for each CSR, reached through a table over all 4096 addresses. */
  const dispatch = (f: FunctionBuilder, address: I32, unknown: () => void, each: (csr: Csr) => void): void => {
    const labels = new Array<Label>(4096);
    const nest = (rest: number): void => {
      if (rest < 0) {
        f.block((other) => {
          for (let i = 0; i < labels.length; i++) labels[i] ??= other;
          f.branchTable(address, labels, other);
        });
        unknown();
        return;
      }
      f.block((label) => {
        const { address: at } = CSRS[rest]!;
        invariant(labels[at] === undefined, `a CSR has one row: 0x${at.toString(16)}`);
        labels[at] = label;
        nest(rest - 1);
      });
      f.scope(() => each(CSRS[rest]!));
    };
    nest(CSRS.length - 1);
  };

  /**
   * (hart, address, 1 when the instruction also writes) -> value. Raises illegal instruction, whose value the caller
   * sets.
   */
  const read = module.function('csr_read', ['i32', 'i32', 'i32'], 'i64', (f, hart, address, writes) => {
    const illegal = () => {
      f.do(raise, hart.get, i32(Cause.illegalInstruction), i64(0));
      f.return(i64(0));
    };
    const illegalIf = (condition: I32) => f.if(condition, illegal);
    const c: CsrContext = { ...parts, f, hart: hart.get, illegalIf };
    illegalIf(address.get.shrU(8).and(3).gtU(hart.get.load(L.PRIVILEGE)));
    illegalIf(address.get.shrU(10).eq(3).and(writes.get.ne(0)));
    dispatch(f, address.get, illegal, (csr) => {
      csr.guard?.(c);
      f.return(csr.read(c));
    });
    f.unreachable();
  });

  /** (hart, address, value) -> CsrEffect; after `csr_read` allowed it. */
  const write = module.function('csr_write', ['i32', 'i32', 'i64'], 'i32', (f, hart, address, value) => {
    const c: CsrContext = { ...parts, f, hart: hart.get, illegalIf: () => {} };
    dispatch(
      f,
      address.get,
      () => f.return(i32(0)),
      (csr) => {
        csr.write?.(c, value.get);
        f.return(i32(csr.effect));
      },
    );
    f.unreachable();
  });

  return { csrRead: read, csrWrite: write };
}

export type CsrLibrary = ReturnType<typeof defineCsr>;
