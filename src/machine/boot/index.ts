export * from './device-tree.ts';
export * from './fdt.ts';
export * from './isa-string.ts';
export * from './memory-map.ts';
