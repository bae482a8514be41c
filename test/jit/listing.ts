import { REGION_PARAMETERS } from '../../src/execute/interpreter/generate.ts';
import { findBlocks } from '../../src/execute/jit/blocks.ts';
import { importOtherRegions } from '../../src/execute/jit/generate.ts';
import { type Optimization, type Optimizations, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { RegionWriter } from '../../src/execute/jit/region.ts';
import { ModuleBuilder } from '../../src/execute/wasm/index.ts';
import { assemble } from './assembly.ts';
import { pageCode } from './page-code.ts';
import { functionText } from './wat.ts';

/** A little program, translated from the label `entry` on. */
export interface RegionCase {
  readonly name: string;
  /** What to look at in its listing. */
  readonly about: string;
  readonly source: string;
  /** Labels of code that was never executed. */
  readonly cold?: readonly string[];
  /** Labels that indirect jumps went to, hottest first. */
  readonly indirectTargets?: readonly string[];
  /** Optimisations that are left out. */
  readonly without?: readonly Optimization[];
}

const comment = (text: string): string =>
  text
    .split('\n')
    .map((line) => `;; ${line}`.trimEnd())
    .join('\n');

/** Takes the empty lines and the common indentation of a template away. */
function dedent(text: string): string {
  const lines = text.replace(/^\n/, '').trimEnd().split('\n');
  const margin = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(margin)).join('\n');
}

/** The program as comments, and the function that it is translated to. */
export async function listing(region: RegionCase): Promise<string> {
  const { name, about, source, cold = [], indirectTargets = [], without = [] } = region;
  const { bytes, labels } = assemble(source);
  const at = (label: string): number => {
    const offset = labels.get(label);
    if (offset === undefined) throw new Error(`${name}: no label ${label}`);
    return offset;
  };
  const code = pageCode(bytes, { cold: cold.map(at), indirectTargets: indirectTargets.map(at) });
  const text = await functionText(translate(code, at('entry'), optimizationsWithout(without)));
  const notes = [
    ...(cold.length > 0 ? [`Never executed before: ${cold.join(', ')}.`] : []),
    ...(without.length > 0 ? [`Without ${without.join(', ')}.`] : []),
    ...(indirectTargets.length > 0 ? [`Indirect jumps went to: ${indirectTargets.join(', ')}.`] : []),
  ];
  return `${comment([about, ...notes, '', dedent(source)].join('\n'))}\n\n${text}\n`;
}

function translate(code: Parameters<typeof findBlocks>[0], entry: number, optimizations: Optimizations): Uint8Array {
  const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared: false });
  const others = importOtherRegions(module);
  const blocks = findBlocks(code, entry, optimizations);
  module.function('region', REGION_PARAMETERS, 'i32', (f, hart, pageAddress) =>
    new RegionWriter(f, { hart, pageAddress }, others, blocks, entry, { optimizations }).write(),
  );
  return module.finish();
}
