export { handleEcall } from './handle-ecall.ts';
export * from './numbers.ts';
export type {
  RemoteFence,
  SbiHart,
  SbiHartState,
  SbiResetKind,
  SbiResetReason,
  SbiServices,
} from './services.ts';
