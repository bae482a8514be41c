import { REGION_PARAMETERS } from '../interpreter/generate.ts';
import { ModuleBuilder } from '../wasm/index.ts';
import type { CodeOptions } from './options.ts';
import { decodePlan, planEntry, type RegionPlan } from './plan.ts';
import { type OtherRegion, RegionWriter } from './region.ts';

/**
 * One module with a function for each region, exported under its place in the list. It follows from the plans and
 * options alone, so it serves any page with that content in any memory of that kind.
 */
export function generateRegions(plans: readonly RegionPlan[], options: CodeOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared: options.shared });
  const other = importOtherRegion(module);
  plans.forEach((plan, i) => {
    const entry = planEntry(plan);
    const region = module.function(
      `region${i}_${entry.toString(16)}`,
      REGION_PARAMETERS,
      'i32',
      (f, hart, pageAddress, decodedPage) => {
        const parameters = { hart, pageAddress, decodedPage };
        new RegionWriter(f, parameters, other, decodePlan(plan), entry, options.optimizations).write();
      },
    );
    module.export(region, `${i}`);
  });
  return module.finish();
}

export function importOtherRegion(module: ModuleBuilder): OtherRegion {
  return module.import('env', 'region', [...REGION_PARAMETERS, 'i32'], 'i32');
}

/**
 * What regions import as `region`. Only this function knows the table: V8 11 copies a table into every instance that
 * imports it, which with hundreds of modules is tens of megabytes.
 */
export function generateRegionCall(shared: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared });
  module.importTable();
  const type = module.type(REGION_PARAMETERS, 'i32');
  const call = module.function('region', [...REGION_PARAMETERS, 'i32'], 'i32', (f, hart, page, decoded, number) => {
    f.returnCallIndirect(type, number.get, hart.get, page.get, decoded.get);
    f.unreachable();
  });
  module.export(call);
  return module.finish();
}
