/** Which functions V8's profiles name most. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly hitCount?: number;
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
}

/** Functions under this share are left out. */
const LEAST_SHARE = 0.01;
const IDLE = new Set(['(idle)', '(program)']);
/** How execute/jit names what it makes: place in the module and offset in the page. */
const REGION = /^region\d+_[0-9a-f]+$/;

export interface FunctionShare {
  readonly name: string;
  /** Of the samples that were not idle. */
  readonly share: number;
}

function nameOf({ functionName, url }: ProfileNode['callFrame']): string {
  if (!url.startsWith('wasm')) return functionName || '(anonymous)';
  return REGION.test(functionName) ? 'translated regions' : `wasm ${functionName}`;
}

/** Samples by function, without those in what it called. */
export function functionShares(profile: CpuProfile): FunctionShare[] {
  const hits = new Map<string, number>();
  let total = 0;
  for (const { callFrame, hitCount = 0 } of profile.nodes) {
    if (hitCount === 0 || IDLE.has(callFrame.functionName)) continue;
    const name = nameOf(callFrame);
    hits.set(name, (hits.get(name) ?? 0) + hitCount);
    total += hitCount;
  }
  const shares = [...hits].map(([name, count]) => ({ name, share: count / total }));
  return shares.sort((a, b) => b.share - a.share);
}

/** All profiles of a folder, one line each. */
export function renderProfiles(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  const lines = files.map((file) => {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
    const top = functionShares(profile).filter(({ share }) => share >= LEAST_SHARE);
    const parts = top.map(({ name, share }) => `${name} ${(share * 100).toFixed(1)} %`);
    return `${file.replace('.cpuprofile', '')}: ${parts.join(', ')}`;
  });
  return `${lines.join('\n')}\n`;
}
