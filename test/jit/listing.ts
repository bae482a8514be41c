import { REGION_PARAMETERS } from '../../src/execute/interpreter/generate.ts';
import { findBlocks } from '../../src/execute/jit/blocks.ts';
import { importOtherRegion } from '../../src/execute/jit/generate.ts';
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
  const { name, about, source, cold = [], indirectTargets = [] } = region;
  const { bytes, labels } = assemble(source);
  const at = (label: string): number => {
    const offset = labels.get(label);
    if (offset === undefined) throw new Error(`${name}: no label ${label}`);
    return offset;
  };
  const code = pageCode(bytes, { cold: cold.map(at), indirectTargets: indirectTargets.map(at) });
  const text = await functionText(translate(code, at('entry')));
  const notes = [
    ...(cold.length > 0 ? [`Never executed before: ${cold.join(', ')}.`] : []),
    ...(indirectTargets.length > 0 ? [`Indirect jumps went to: ${indirectTargets.join(', ')}.`] : []),
  ];
  return `${comment([about, ...notes, '', dedent(source)].join('\n'))}\n\n${text}\n`;
}

function translate(code: Parameters<typeof findBlocks>[0], entry: number): Uint8Array {
  const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared: false });
  const other = importOtherRegion(module);
  const blocks = findBlocks(code, entry);
  module.function('region', REGION_PARAMETERS, 'i32', (f, hart, pageAddress, decodedPage) =>
    new RegionWriter(f, { hart, pageAddress, decodedPage }, other, blocks, entry).write(),
  );
  return module.finish();
}
