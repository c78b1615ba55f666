export { KernelError, type KernelErrorFacts, runAll, TriremeError, type TriremeErrorCode } from './errors.js'
