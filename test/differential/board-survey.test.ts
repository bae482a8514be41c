import { describe, expect, it } from 'vitest';
import { type Look, type Seen, seenIn, surveyImage } from './board-survey.ts';
import { Godwit } from './godwit.ts';
import { QEMU_MISSING, runQemu } from './qemu.ts';

/** Every CSR that could be, and the beginning of each device and of what lies beside it. */
const CSR_LOOKS = Array.from({ length: 4096 }, (_, csr): Look => ({ kind: 'csr', csr }));
const BASES = [
  ...[0x1000, 0x10_0000, 0x10_1000, 0x18_0000, 0x200_0000, 0x200_4000, 0x200_c000],
  ...[0xc00_0000, 0xc00_1000, 0xc00_2000, 0xc20_0000, 0xc3f_f000],
  ...[0x1000_0000, 0x1000_0100, 0x1000_1000, 0x1000_8000, 0x7fff_fff0],
];
const LOAD_LOOKS = BASES.flatMap((base) =>
  [0, 1, 2, 3, 4, 5, 8, 12, 20].flatMap((offset) =>
    ([1, 2, 4, 8] as const).map((width): Look => ({ kind: 'load', address: base + offset, width })),
  ),
).filter((look) => look.kind !== 'load' || look.address < 0x8000_0000);

const ILLEGAL = 'fault 2';
const NO_ACCESS = 'fault 5';

/** Both values; a rule looks at CSRs or at loads. */
type Holds = (ours: Seen, theirs: Seen) => boolean;
interface CsrRule {
  readonly name: string;
  readonly csr: (csr: number) => boolean;
  readonly holds: Holds;
}
interface LoadRule {
  readonly name: string;
  readonly load: (address: number, width: number) => boolean;
  readonly holds: Holds;
}

const among =
  (...csrs: number[]) =>
  (csr: number) =>
    csrs.includes(csr);
const within = (first: number, last: number) => (at: number) => at >= first && at <= last;
const absent: Holds = (ours) => ours === ILLEGAL;
const are =
  (mine: Seen, other: Seen): Holds =>
  (ours, theirs) =>
    ours === mine && theirs === other;
const values: Holds = (ours, theirs) => ours.startsWith('0x') && theirs.startsWith('0x');

/** The same rows as the table in docs/MACHINE.md, "Where it differs from QEMU's". */
const RULES: readonly (CsrRule | LoadRule)[] = [
  {
    name: 'hypervisor extension',
    csr: (csr) => within(0x200, 0x2ff)(csr) || within(0x600, 0x6ff)(csr) || among(0x34a, 0x34b, 0xe12)(csr),
    holds: absent,
  },
  { name: 'debug triggers', csr: within(0x7a0, 0x7af), holds: absent },
  {
    name: 'counters 19 to 31',
    csr: (csr) => within(0xb13, 0xb1f)(csr) || within(0xc13, 0xc1f)(csr),
    holds: are('0x0', ILLEGAL),
  },
  { name: 'counters that run', csr: among(0xb00, 0xb02, 0xc00, 0xc01, 0xc02), holds: values },
  { name: 'misa', csr: among(0x301), holds: are('0x800000000014112f', '0x80000000001411ad') },
  { name: 'menvcfg', csr: among(0x30a), holds: are('0x2000000000000000', '0x0') },
  { name: 'marchid and mimpid', csr: among(0xf12, 0xf13), holds: (ours) => ours === '0x0' },
  { name: 'stimecmp', csr: among(0x14d), holds: are('0xffffffffffffffff', '0x0') },
  { name: 'mip', csr: among(0x344), holds: are('0x0', '0x80') },
  { name: 'mtimecmp', load: within(0x200_4000, 0x200_4007), holds: (ours) => /^0xf+$/.test(ours) },
  { name: 'boot ROM', load: within(0x1000, 0x1fff), holds: (ours) => ours === NO_ACCESS },
  { name: 'PCIe', load: within(0x4000_0000, 0x7fff_ffff), holds: (ours) => ours === NO_ACCESS },
  { name: 'clock', load: within(0x10_1000, 0x10_1007), holds: values },
  {
    name: 'misaligned',
    load: (address, width) => address % width !== 0,
    holds: (ours, theirs) => ours === NO_ACCESS && theirs.startsWith('0x'),
  },
  {
    name: 'widths',
    load: (address, width) => address < 0x1000_0000 && width !== 4,
    holds: are('0x0', NO_ACCESS),
  },
  {
    name: 'behind registers',
    load: (address) => within(0x200_c000, 0x200_ffff)(address) || within(0x1000_0008, 0x1000_00ff)(address),
    holds: are('0x0', NO_ACCESS),
  },
  {
    name: 'UART',
    load: (address) => within(0x1000_0004, 0x1000_0007)(address),
    holds: (_, theirs) => theirs === '0x8',
  },
  { name: 'virtio', load: within(0x1000_1000, 0x1000_8fff), holds: values },
];

function ruleFor(look: Look, ours: Seen, theirs: Seen): string | undefined {
  const rule = RULES.find((candidate) => {
    if (!candidate.holds(ours, theirs)) return false;
    if (look.kind === 'csr') return 'csr' in candidate && candidate.csr(look.csr);
    return 'load' in candidate && candidate.load(look.address, look.width);
  });
  return rule?.name;
}

function show(look: Look, ours: Seen, theirs: Seen): string {
  const place = look.kind === 'csr' ? 'csr' : `${look.width} bytes at`;
  const number = look.kind === 'csr' ? look.csr : look.address;
  return `${place} ${number.toString(16)}: godwit ${ours}, QEMU ${theirs}`;
}

describe.skipIf(QEMU_MISSING !== '')(`the machine after reset, beside QEMU's virt ${QEMU_MISSING}`, () => {
  it('differs in nothing that has no rule, and every rule is needed', { timeout: 300_000 }, async () => {
    const used = new Set<string>();
    const unexplained: string[] = [];
    const godwit = await Godwit.create();
    for (const mode of ['M', 'S'] as const) {
      const looks = [...CSR_LOOKS, ...LOAD_LOOKS];
      const image = surveyImage(looks, mode);
      // The processor that it has by itself.
      const theirs = seenIn(await runQemu(image, ['-cpu', 'rv64']), looks.length);
      const ours = seenIn(godwit.run(image), looks.length);
      looks.forEach((look, i) => {
        if (ours[i] === theirs[i]) return;
        const name = ruleFor(look, ours[i]!, theirs[i]!);
        if (name === undefined) unexplained.push(`${mode}: ${show(look, ours[i]!, theirs[i]!)}`);
        else used.add(name);
      });
    }
    expect(unexplained).toEqual([]);
    expect([...used].sort()).toEqual(RULES.map(({ name }) => name).sort());
  });
});
