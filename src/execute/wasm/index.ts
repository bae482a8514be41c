export { ByteWriter } from './bytes.ts';
export { type Callable, FunctionBuilder, type FunctionType, type Label, type Local } from './function.ts';
export { type Declared, ModuleBuilder } from './module.ts';
export {
  choose,
  F32,
  F64,
  f32,
  f64,
  I32,
  I64,
  i32,
  i64,
  select,
  Value,
  type ValueOf,
  type ValueType,
} from './value.ts';
