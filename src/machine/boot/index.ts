export * from './memory-map.ts';
