/** Strict reading of YAML files against a zod schema, as the policy is read: for other files of the same product. */

export { listOf } from './list-schema.js'
export { networkSchema } from './network-schema.js'
export { parseYAML, type YAMLSource } from './parse-yaml.js'
export { portSchema } from './port-schema.js'
export { readTextFile } from './read-text-file.js'
export { strictMap } from './strict-map.js'
