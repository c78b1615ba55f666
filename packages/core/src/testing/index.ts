export { type ManualClock, manualClock } from './manual-clock.js'
export {
  newTestCollector,
  newTestEnforcer,
  newTestIsolator,
  newTestMonitor,
  newTestPolicyResolver,
  newTestPolicyUpdater,
  newTestProcessingUnitsHandler,
  newTestPublicKeyAdder,
  newTestSecrets,
  newTestSupervisor,
  newTestSynchronizationHandler,
  type TestCollector,
  type TestIsolator,
} from './plugin-doubles.js'
export { testFlowRecord, testPolicy, testRuntime } from './sample-data.js'
export { type Call, newTestDouble, type TestDouble } from './test-double.js'
export { newTestTokenEngine } from './test-token-engine.js'
