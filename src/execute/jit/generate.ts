import * as L from '../../hart/layout.ts';
import { REGION_PARAMETERS } from '../interpreter/generate.ts';
import { RegionExit } from '../interpreter/slots.ts';
import { i32, ModuleBuilder } from '../wasm/index.ts';
import type { CodeOptions } from './options.ts';
import { decodePlan, planApart, planEntry, type RegionPlan } from './plan.ts';
import { findRegion, type OtherRegions, RegionWriter } from './region.ts';

/**
 * One module with a function for each region, exported under its place in the list. It follows from the plans and options alone,
 * so it serves any page with that content in any memory of that kind.
 */
export function generateRegions(plans: readonly RegionPlan[], options: CodeOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared: options.shared });
  const others = importOtherRegions(module);
  plans.forEach((plan, i) => {
    const entry = planEntry(plan);
    const region = module.function(
      `region${i}_${entry.toString(16)}`,
      REGION_PARAMETERS,
      'i32',
      (f, hart, pageAddress) =>
        new RegionWriter(f, { hart, pageAddress }, others, decodePlan(plan), entry, {
          optimizations: options.optimizations,
          apart: planApart(plan),
        }).write(),
    );
    module.export(region, `${i}`);
  });
  return module.finish();
}

export function importOtherRegions(module: ModuleBuilder): OtherRegions {
  return {
    goOn: module.import('env', 'region', [...REGION_PARAMETERS, 'i32'], 'i32'),
    call: module.import('env', 'call', ['i32', 'i64', 'i64'], 'i32'),
  };
}

/**
 * What regions import as `region` and `call`. Only these functions know the table: V8 11 copies a table into every instance that imports
 * it, which with hundreds of modules is tens of megabytes.
 */
export function generateRegionCalls(shared: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared });
  module.importTable();
  const type = module.type(REGION_PARAMETERS, 'i32');
  const call = module.function('region', [...REGION_PARAMETERS, 'i32'], 'i32', (f, hart, pageAddress, number) => {
    f.returnCallIndirect(type, number.get, hart.get, pageAddress.get);
    f.unreachable();
  });
  module.export(call);
  /** (hart, virtual address, virtual address that the callee returns to) -> RegionExit, or REGION_RETURNED when it did. */
  const deeper = module.function('call', ['i32', 'i64', 'i64'], 'i32', (f, hart, target, next) => {
    const leave = (exit: RegionExit) => () => {
      f.store(hart.get, target.get, L.PC);
      f.return(i32(exit));
    };
    const top = f.let(hart.get.load(L.RETURNS_TOP).add(8));
    const limit = hart.get.add(L.RETURNS + 8 * L.RETURNS_DEPTH);
    f.if(top.gtU(limit), leave(RegionExit.untranslated), undefined, 'unlikely');
    const { page, region } = findRegion(f, hart.get, target.get, leave, 'unlikely');
    f.store(top, next.get);
    f.store(hart.get, top, L.RETURNS_TOP);
    const exit = f.let(f.callIndirect(type, region, hart.get, page));
    f.store(hart.get, top.sub(8), L.RETURNS_TOP);
    f.result(exit);
  });
  module.export(deeper);
  return module.finish();
}
