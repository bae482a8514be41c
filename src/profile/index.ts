/** Where a guest spends its time: samples of a machine, names for addresses, and a file that viewers show. */
export { type Sample, Sampler, type SamplerOptions } from './sampler.ts';
export { type ProfileSymbols, type SpeedscopeFile, speedscopeFile } from './speedscope.ts';
export { readElfSymbols } from './symbols/elf-symbols.ts';
export { readKallsyms } from './symbols/kallsyms.ts';
export { type GuestSymbol, SymbolTable } from './symbols/symbol-table.ts';
export { readSystemMap } from './symbols/system-map.ts';
